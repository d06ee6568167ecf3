/** The usage of one agent. */
import type { Id } from "@remote-agent/domain"
import { useMemo, useState } from "react"
import { count, midnight } from "../ui/text/format.ts"
import { DayChart } from "./DayChart.tsx"
import { Totals } from "./Totals.tsx"
import { daysOf, tokensOf, totalOf } from "./usageFigures.ts"
import { useUsage } from "./useUsage.ts"

const shownDays = 30

interface AgentUsageProps {
  readonly agentId: Id.AgentId
  /** When it was launched, in milliseconds. */
  readonly created: number
}

export default function AgentUsage({ agentId, created }: AgentUsageProps) {
  const [now] = useState(Date.now)
  const all = useUsage("agent", midnight(created), agentId)
  const byDay = useUsage("day", midnight(now) - (shownDays - 1) * 86_400_000, agentId)
  const days = useMemo(() => daysOf(byDay.data ?? [], now, shownDays), [byDay.data, now])
  return (
    <>
      <Totals total={totalOf(all.data ?? [])} />
      <section className="card">
        <DayChart
          title={`Tokens by day, the last ${shownDays} days`}
          days={days}
          valueOf={tokensOf}
          format={count}
        />
      </section>
    </>
  )
}
