/** Leftovers: what crashed processes left behind, what the reaper would do about it, and doing it. */
import type { ServerApi } from "@remote-agent/api"
import { useQuery, useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { messageOf } from "../session/Failure.ts"
import { useSession } from "../session/Session.tsx"
import { Button } from "../ui/Button.tsx"
import { Confirm } from "../ui/Dialogs.tsx"
import { Empty, Problem, ViewHead } from "../ui/View.tsx"
import { actionNames, isWork, type PlanEntry, planOf } from "./plan.ts"

const Entry = ({ entry }: { readonly entry: PlanEntry }) => (
  <tr className={isWork(entry) ? "" : "entry-left"}>
    <td>
      <span className={`action action-${entry.action}`}>{actionNames[entry.action]}</span>
    </td>
    <td>
      <code>{entry.subject}</code>
    </td>
    <td>{entry.reason}</td>
    <td>
      {entry.outcome}
      {entry.error === undefined ? null : <span className="problem-inline">{entry.error}</span>}
    </td>
  </tr>
)

const useReap = (removePaused: boolean) => {
  const { api } = useSession()
  const reap = (dryRun: boolean, signal?: AbortSignal) =>
    api.run(({ server }) => server.reap({ payload: { dryRun, removePaused } }), signal)
  const plan = useQuery({
    queryKey: ["reap", removePaused],
    queryFn: ({ signal }) => reap(true, signal),
    refetchInterval: 30_000
  })
  return { plan, reap: () => reap(false) }
}

type Report = Parameters<typeof planOf>[0] & { readonly complete: boolean }

const Table = ({ report, title }: { readonly report: Report; readonly title: string }) => (
  <section className="card">
    <h2>{title}</h2>
    <div className="wide" tabIndex={0} role="region" aria-label={title}>
      <table className="plan">
        <thead>
          <tr>
            <th scope="col">Action</th>
            <th scope="col">Of</th>
            <th scope="col">Because</th>
            <th scope="col">Outcome</th>
          </tr>
        </thead>
        <tbody>
          {planOf(report).map((entry) => (
            <Entry key={entry.key} entry={entry} />
          ))}
        </tbody>
      </table>
    </div>
    {report.complete ? null : (
      <p className="problem">
        The provider did not list every sandbox. Those that are missing were left alone.
      </p>
    )}
  </section>
)

export default function LeftoversView() {
  const client = useQueryClient()
  const [removePaused, setRemovePaused] = useState(false)
  const [asking, setAsking] = useState(false)
  const [done, setDone] = useState<{
    readonly entries: ReadonlyArray<typeof ServerApi.ReapEntry.Type>
    readonly complete: boolean
  }>()
  const { plan, reap } = useReap(removePaused)
  const work = plan.data === undefined ? 0 : planOf(plan.data).filter(isWork).length

  return (
    <div className="view">
      <ViewHead title="Leftovers" note="Sandboxes, launches and records that no agent needs any more">
        <Button icon="replace" busy={plan.isFetching} onClick={() => void plan.refetch()}>
          Look again
        </Button>
        <Button
          look="primary"
          icon="leftovers"
          aria-disabled={work === 0}
          onClick={() => work > 0 && setAsking(true)}
        >
          Clean up
        </Button>
      </ViewHead>
      <label className="check">
        <input
          type="checkbox"
          checked={removePaused}
          onChange={(event) => setRemovePaused(event.target.checked)}
        />
        Also terminate sandboxes that have been paused for longer than the retention
      </label>
      {plan.error === null ? null : <Problem>{messageOf(plan.error)}</Problem>}
      {plan.data !== undefined && work === 0 ? (
        <Empty title="Nothing is left behind">
          {plan.data.entries.length === 0
            ? "The provider holds no sandbox of this installation."
            : "Every sandbox that was found belongs to an agent, or is left alone for the reason below."}
        </Empty>
      ) : null}
      {done === undefined ? null : <Table report={done} title="Done" />}
      {plan.data === undefined || plan.data.entries.length === 0 ? null : (
        <Table report={plan.data} title="Plan" />
      )}
      <Confirm
        open={asking}
        title={`Clean up ${work === 1 ? "one leftover" : `${work} leftovers`}?`}
        action="Clean up"
        onClose={() => setAsking(false)}
        onConfirm={async () => {
          setDone(await reap())
          await client.invalidateQueries()
        }}
      >
        Sandboxes that are listed to be terminated are removed with all that is in them. The plan is made
        again first, so that an agent that was launched meanwhile is safe.
      </Confirm>
    </div>
  )
}
