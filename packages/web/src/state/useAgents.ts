import type { Agent, AgentLifecycle } from "@remote-agent/domain"
import { useQuery } from "@tanstack/react-query"
import type { ApiSession } from "../session/ApiSession.ts"
import { useSession } from "../session/Session.tsx"

const pageSize = 1000
const alive = ["launching", "active", "paused", "failed", "lost"] as const

/** All agents with one of several statuses. */
const agentsWith = async (
  { run }: ApiSession,
  status: ReadonlyArray<AgentLifecycle.AgentStatus>,
  signal: AbortSignal
): Promise<ReadonlyArray<Agent.Agent>> => {
  const found: Array<Agent.Agent> = []
  for (let after: Agent.Agent["id"] | undefined; ;) {
    const page = await run(
      ({ agents }) =>
        agents.list({ query: { status, limit: pageSize, ...(after === undefined ? {} : { after }) } }),
      signal
    )
    found.push(...page.items)
    if (page.next === undefined) return found
    after = page.next as Agent.Agent["id"]
  }
}

/** The agents; the terminated ones only when they are wanted, because they only ever grow in number. */
export const useAgents = (terminated: boolean) => {
  const { api } = useSession()
  return useQuery({
    queryKey: ["agents", terminated],
    queryFn: ({ signal }) => agentsWith(api, terminated ? [...alive, "terminated"] : alive, signal),
    placeholderData: (before) => before,
    refetchInterval: 2000
  })
}
