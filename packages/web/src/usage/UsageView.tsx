/** Money and tokens by day, profile, label and agent. */
import { useMemo, useState } from "react"
import { messageOf } from "../session/Failure.ts"
import { useAgents } from "../state/useAgents.ts"
import { count, dollars, midnight } from "../ui/text/format.ts"
import { Problem, ViewHead } from "../ui/View.tsx"
import { DayChart } from "./DayChart.tsx"
import { Totals } from "./Totals.tsx"
import { byLabel, daysOf, type Group, tokensOf, totalOf } from "./usageFigures.ts"
import { UsageBars } from "./UsageBars.tsx"
import { useUsage } from "./useUsage.ts"

const spans = [7, 30, 90] as const

const costOf = ({ usage }: Group): number => usage.costUsd ?? 0

export default function UsageView() {
  const [span, setSpan] = useState<(typeof spans)[number]>(30)
  const [now] = useState(Date.now)
  const since = midnight(now) - (span - 1) * 86_400_000
  const byDay = useUsage("day", since)
  const byProfile = useUsage("profile", since)
  const byAgent = useUsage("agent", since)
  const agents = useAgents(true)
  const days = useMemo(() => daysOf(byDay.data ?? [], now, span), [byDay.data, now, span])
  const total = totalOf(byProfile.data ?? [])
  const labels = useMemo(() => byLabel(byAgent.data ?? [], agents.data ?? []), [byAgent.data, agents.data])
  const error = byDay.error ?? byProfile.error ?? byAgent.error

  return (
    <div className="view">
      <ViewHead title="Usage" note={`The last ${span} days`}>
        <div className="segments" role="group" aria-label="Time">
          {spans.map((days_) => (
            <button key={days_} type="button" aria-pressed={days_ === span} onClick={() => setSpan(days_)}>
              {days_} days
            </button>
          ))}
        </div>
      </ViewHead>
      {error === null ? null : <Problem>{messageOf(error)}</Problem>}
      <Totals total={total} />
      <div className="charts">
        <section className="card">
          <DayChart title="Cost by day" days={days} valueOf={costOf} format={dollars} />
        </section>
        <section className="card">
          <DayChart title="Tokens by day" days={days} valueOf={tokensOf} format={count} />
        </section>
      </div>
      <div className="cards">
        <UsageBars title="By profile" groups={byProfile.data ?? []} />
        <UsageBars
          title="By label"
          note="An agent with several labels counts for each of them."
          groups={labels}
        />
        <UsageBars title="By agent" groups={byAgent.data ?? []} />
      </div>
    </div>
  )
}
