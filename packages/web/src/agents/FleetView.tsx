/** The fleet: every agent with its true state. */
import { useEffect, useMemo, useRef, useState } from "react"
import { messageOf } from "../session/Failure.ts"
import { Button } from "../ui/Button.tsx"
import { Empty, Problem, ViewHead } from "../ui/View.tsx"
import type { State } from "./AgentState.ts"
import { choicesOf, type FleetFilter, listOf } from "./Fleet.ts"
import { FleetFilters } from "./FleetFilters.tsx"
import { FleetRows } from "./FleetRows.tsx"
import { LaunchDialog } from "./launch/LaunchDialog.tsx"
import { useFleet } from "./useFleet.ts"

const all: FleetFilter = { states: new Set<State>(), profile: "", label: "", search: "" }

export const FleetView = () => {
  const [filter, setFilter] = useState(all)
  const [visible, setVisible] = useState<ReadonlySet<string>>(new Set())
  const [launching, setLaunching] = useState(false)
  const search = useRef<HTMLInputElement>(null)
  const { error, loading, now, rows } = useFleet(filter.states.has("ended"), visible)
  const list = useMemo(() => listOf(rows, filter), [rows, filter])
  const choices = useMemo(() => choicesOf(rows), [rows])

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea, select")
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey) return
      event.preventDefault()
      search.current?.focus()
    }
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  }, [])

  return (
    <div className="view view-fleet">
      <ViewHead title="Fleet" note={`${rows.length} ${rows.length === 1 ? "agent" : "agents"}`}>
        <Button look="primary" icon="plus" onClick={() => setLaunching(true)}>
          Launch agent
        </Button>
      </ViewHead>
      <FleetFilters
        filter={filter}
        counts={list.counts}
        choices={choices}
        search={search}
        onChange={setFilter}
      />
      {error === null || rows.length > 0 ? null : <Problem>{messageOf(error)}</Problem>}
      {loading || error !== null ? null : rows.length === 0 ? (
        <Empty title="No agents yet">
          An agent works in a sandbox of its own. Launch one here, or with <code>remote-agent launch</code>.
        </Empty>
      ) : list.rows.length === 0 ? (
        <Empty title="No agent matches">
          <Button onClick={() => setFilter(all)}>Clear the filters</Button>
        </Empty>
      ) : null}
      {list.rows.length > 0 ? <FleetRows rows={list.rows} now={now} onVisible={setVisible} /> : null}
      <LaunchDialog open={launching} onClose={() => setLaunching(false)} />
    </div>
  )
}
