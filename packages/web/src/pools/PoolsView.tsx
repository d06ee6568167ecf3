/** Pools: how many agents, what waits, how fast, what failed; and their size. */
import type { PoolRecord } from "@remote-agent/domain"
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { type FormEvent, useState } from "react"
import { messageOf } from "../session/Failure.ts"
import { useSession } from "../session/Session.tsx"
import { useAgents } from "../state/useAgents.ts"
import { useQueries } from "../state/useQueries.ts"
import { Button } from "../ui/Button.tsx"
import { Confirm } from "../ui/Dialogs.tsx"
import { duration } from "../ui/text/format.ts"
import { useNow } from "../ui/useNow.ts"
import { Empty, Problem, ViewHead } from "../ui/View.tsx"
import { figuresOf, type PoolFigures } from "./poolFigures.ts"

const Resize = ({ pool }: { readonly pool: PoolRecord.PoolRecord }) => {
  const { api } = useSession()
  const client = useQueryClient()
  const resize = useMutation({
    mutationFn: (size: number) =>
      api.run(({ pools }) => pools.resize({ params: { name: pool.name }, payload: { size } })),
    onSettled: () => client.invalidateQueries()
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const size = Number(new FormData(event.currentTarget).get("size"))
    if (Number.isInteger(size) && size >= 1 && size !== pool.size) resize.mutate(size)
  }
  return (
    <form className="resize" onSubmit={submit}>
      <label>
        Size
        <input
          key={pool.size}
          name="size"
          type="number"
          min={1}
          max={10_000}
          defaultValue={pool.size}
          required
        />
      </label>
      <Button type="submit" busy={resize.isPending}>
        {resize.isPending ? "Resizing…" : "Resize"}
      </Button>
      {resize.error === null ? null : <Problem>{messageOf(resize.error)}</Problem>}
    </form>
  )
}

const Figure = ({
  name,
  note,
  value
}: {
  readonly name: string
  readonly value: string
  readonly note: string
}) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
    <dd className="muted">{note}</dd>
  </div>
)

const Figures = ({
  figures,
  pool
}: {
  readonly figures: PoolFigures
  readonly pool: PoolRecord.PoolRecord
}) => (
  <dl className="totals totals-small">
    <Figure name="Agents" value={`${figures.agents}`} note={`of ${pool.size}, ${figures.working} working`} />
    <Figure
      name="Waiting"
      value={String(figures.waiting)}
      note={figures.longestWait === undefined ? "no query waits" : `up to ${duration(figures.longestWait)}`}
    />
    <Figure name="Rate" value={`${figures.rate.toFixed(1)}/min`} note="over ten minutes" />
    <Figure name="Failures" value={String(figures.failed)} note={`of ${figures.ended} in ten minutes`} />
  </dl>
)

export default function PoolsView() {
  const { api } = useSession()
  const client = useQueryClient()
  const now = useNow(1000)
  const [closing, setClosing] = useState<PoolRecord.PoolRecord>()
  const pools = useQuery({
    queryKey: ["pools"],
    queryFn: ({ signal }) => api.run(({ pools: group }) => group.list(), signal),
    refetchInterval: 3000
  })
  const agents = useAgents(false)
  const [running, queued, ended] = [useQueries("running"), useQueries("queued"), useQueries("ended")]
  const facts = {
    agents: agents.data ?? [],
    running: running.data?.items ?? [],
    queued: queued.data?.items ?? [],
    ended: ended.data?.items ?? [],
    now
  }
  const close = (pool: PoolRecord.PoolRecord) =>
    api
      .run(({ pools: group }) => group.close({ params: { name: pool.name } }))
      .finally(() => void client.invalidateQueries())

  return (
    <div className="view">
      <ViewHead title="Pools" note="Agents of one profile that share a queue of queries" />
      {pools.error === null ? null : <Problem>{messageOf(pools.error)}</Problem>}
      {pools.data?.length === 0 ? (
        <Empty title="No pools">
          Open one with <code>remote-agent pool create</code>.
        </Empty>
      ) : null}
      <div className="pools">
        {(pools.data ?? []).map((pool) => (
          <section key={pool.name} className="card pool">
            <div className="card-head">
              <h2>{pool.name}</h2>
              <span className={`pool-status pool-${pool.status}`}>{pool.status}</span>
              <span className="profile">{pool.profile}</span>
            </div>
            <Figures pool={pool} figures={figuresOf(pool.name, facts)} />
            {pool.status === "open" ? (
              <div className="pool-foot">
                <Resize pool={pool} />
                <Button look="quiet" onClick={() => setClosing(pool)}>
                  Close
                </Button>
              </div>
            ) : null}
          </section>
        ))}
      </div>
      <Confirm
        open={closing !== undefined}
        title={`Close the pool ${closing?.name ?? ""}?`}
        action="Close the pool"
        onClose={() => setClosing(undefined)}
        onConfirm={() => (closing === undefined ? Promise.resolve() : close(closing))}
      >
        It takes no more queries, and its agents are terminated. This cannot be undone.
      </Confirm>
    </div>
  )
}
