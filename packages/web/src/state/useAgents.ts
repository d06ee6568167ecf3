import type { Agent, AgentLifecycle } from "@remote-agent/domain"
import { useQuery } from "@tanstack/react-query"
import type { ApiSession } from "../session/ApiSession.ts"
import { useSession } from "../session/Session.tsx"

const pageSize = 1000
const alive = ["launching", "active", "paused", "failed", "lost"] as const

/** All agents with a status. */
const agentsWith = async (
  { run }: ApiSession,
  status: AgentLifecycle.AgentStatus,
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

const byId = (agents: ReadonlyArray<Agent.Agent>): ReadonlyArray<Agent.Agent> => [
  ...new Map(agents.map((agent) => [agent.id, agent])).values()
]

/** The agents; the terminated ones only when they are wanted, because they only ever grow in number. */
export const useAgents = (terminated: boolean) => {
  const { api } = useSession()
  return useQuery({
    queryKey: ["agents", terminated],
    queryFn: async ({ signal }) => {
      const statuses = terminated ? [...alive, "terminated" as const] : alive
      const lists = await Promise.all(statuses.map((status) => agentsWith(api, status, signal)))
      return byId(lists.flat())
    },
    placeholderData: (before) => before,
    refetchInterval: 2000
  })
}
