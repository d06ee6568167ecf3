/** Reads one agent with its sandbox and its queries, again and again. */
import type { Id } from "@remote-agent/domain"
import { useQuery } from "@tanstack/react-query"
import { useSession } from "../session/Session.tsx"

/** The agent as the store and its provider have it. */
export const useAgent = (id: Id.AgentId) => {
  const { api } = useSession()
  return useQuery({
    queryKey: ["agent", id, "info"],
    queryFn: ({ signal }) => api.run(({ agents }) => agents.info({ params: { id } }), signal),
    refetchInterval: 2000
  })
}

/** Its newest queries, and whether there are more. */
export const useAgentQueries = (id: Id.AgentId, most: number) => {
  const { api } = useSession()
  return useQuery({
    queryKey: ["agent", id, "queries", most],
    queryFn: ({ signal }) =>
      api.run(
        ({ queries }) => queries.list({ query: { agentId: id, order: "newestFirst", limit: most } }),
        signal
      ),
    placeholderData: (before) => before,
    refetchInterval: 1500
  })
}
