/** Reads the fleet, again and again. */
import type { Agent, Query } from "@remote-agent/domain"
import { useQuery, useQueryClient } from "@tanstack/react-query"
import { DateTime } from "effect"
import { useCallback, useEffect, useMemo, useRef } from "react"
import { EventLog } from "../queries/EventLog.ts"
import { look } from "../queries/follow.ts"
import { useSession } from "../session/Session.tsx"
import { useAgents } from "../state/useAgents.ts"
import { useQueries } from "../state/useQueries.ts"
import { midnight } from "../ui/text/format.ts"
import { useNow } from "../ui/useNow.ts"
import { useRounds } from "../ui/useRounds.ts"
import type { SandboxState } from "./AgentState.ts"
import { type FleetRow, type Progress, rowsOf } from "./Fleet.ts"
import { progressOf } from "./progress.ts"

const useCosts = (now: number) => {
  const { api } = useSession()
  const since = midnight(now)
  return useQuery({
    queryKey: ["usage", "agent", since],
    queryFn: ({ signal }) =>
      api.run(
        ({ usage }) =>
          usage.by({ params: { grouping: "agent" }, query: { since: DateTime.makeUnsafe(since) } }),
        signal
      ),
    refetchInterval: 10_000
  })
}

interface Seen {
  readonly state: SandboxState
  readonly revision: number
}

/** Asks the provider about the sandboxes of a few agents. */
const useSandboxes = (agents: ReadonlyArray<Agent.Agent>) => {
  const { api } = useSession()
  const { data } = useQuery({
    queryKey: ["version"],
    queryFn: ({ signal }) => api.run(({ server }) => server.version(), signal),
    staleTime: Infinity
  })
  // A provider far away limits the number of requests.
  const every = data?.provider === "e2b" ? 15_000 : 2000
  const ids = agents.filter(({ status }) => status === "active" || status === "paused").map(({ id }) => id)
  return useRounds<Seen>(
    ids,
    every,
    useCallback(
      async (id, signal) => {
        const { agent, sandbox } = await api.run(
          ({ agents: group }) => group.info({ params: { id: id as Agent.Agent["id"] } }),
          signal
        )
        return { state: sandbox, revision: agent.revision }
      },
      [api]
    )
  )
}

/** Looks into the logs of a few running queries. */
const useProgress = (running: ReadonlyArray<Query.Query>) => {
  const { api } = useSession()
  const logs = useRef(new Map<string, EventLog>())
  const ids = running.map(({ id }) => id)
  useEffect(() => {
    for (const id of logs.current.keys()) if (!ids.some((one) => one === id)) logs.current.delete(id)
  })
  return useRounds<Progress>(
    ids,
    1500,
    useCallback(
      async (id, signal) => {
        const log = logs.current.get(id) ?? new EventLog()
        logs.current.set(id, log)
        await look(api, id as Query.Query["id"], log, signal)
        return progressOf(log)
      },
      [api]
    )
  )
}

/** The rows of the fleet. Sandboxes and logs are looked at only for the agents in `visible`. */
export const useFleet = (terminated: boolean, visible: ReadonlySet<string>) => {
  const now = useNow(1000)
  const client = useQueryClient()
  const agents = useAgents(terminated)
  const [running, queued, ended] = [useQueries("running"), useQueries("queued"), useQueries("ended")]
  const costs = useCosts(now)
  const inView = (agents.data ?? []).filter(({ id }) => visible.has(id))
  const sandboxes = useSandboxes(inView)
  const progress = useProgress((running.data?.items ?? []).filter(({ agentId }) => visible.has(agentId)))

  // A query that no longer runs has ended: its outcome is read at once.
  const ids = (running.data?.items ?? []).map(({ id }) => id).join()
  useEffect(() => {
    void client.invalidateQueries({ queryKey: ["queries", "ended"] })
    void client.invalidateQueries({ queryKey: ["agents"] })
  }, [client, ids])

  const rows: ReadonlyArray<FleetRow> = useMemo(() => {
    const known = agents.data ?? []
    const sandboxOf = new Map<string, SandboxState>()
    for (const { id, revision } of known) {
      const seen = sandboxes.get(id)
      if (seen?.revision === revision) sandboxOf.set(id, seen.state)
    }
    return rowsOf({
      agents: known,
      running: running.data?.items ?? [],
      queued: queued.data?.items ?? [],
      ended: ended.data?.items ?? [],
      sandboxes: sandboxOf,
      progress,
      costs: new Map(
        (costs.data ?? []).flatMap(({ key, usage }) =>
          key === undefined || usage.costUsd === undefined ? [] : [[key, usage.costUsd]]
        )
      ),
      now
    })
  }, [agents.data, running.data, queued.data, ended.data, sandboxes, progress, costs.data, now])

  return { rows, now, loading: agents.isPending, error: agents.error }
}
