import type { Id } from "@remote-agent/domain"
import { useQuery } from "@tanstack/react-query"
import { DateTime } from "effect"
import { useSession } from "../session/Session.tsx"

type Grouping = "agent" | "day" | "profile"

/** The usage by a grouping since a time, of all agents or of one. */
export const useUsage = (grouping: Grouping, since: number, agentId?: Id.AgentId) => {
  const { api } = useSession()
  return useQuery({
    queryKey: ["usage", grouping, since, agentId],
    queryFn: ({ signal }) =>
      api.run(
        ({ usage }) =>
          usage.by({
            params: { grouping },
            query: { since: DateTime.makeUnsafe(since), ...(agentId === undefined ? {} : { agentId }) }
          }),
        signal
      ),
    placeholderData: (before) => before,
    refetchInterval: 10_000
  })
}
