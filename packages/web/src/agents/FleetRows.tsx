/** The rows of the fleet: only those in view are in the document, however many there are. */
import { useVirtualizer } from "@tanstack/react-virtual"
import { DateTime } from "effect"
import { type KeyboardEvent, memo, useEffect, useRef } from "react"
import { Link } from "wouter"
import { ago, count, dollars, duration } from "../ui/text/format.ts"
import { useNarrow } from "../ui/useNarrow.ts"
import { type FleetRow, labelsOf } from "./Fleet.ts"
import { StateBadge } from "./StateBadge.tsx"

const mostLabels = 3

const Labels = ({ row }: { readonly row: FleetRow }) => {
  const labels = labelsOf(row.agent)
  return (
    <>
      {labels.slice(0, mostLabels).map((label) => (
        <span key={label} className="label">
          {label}
        </span>
      ))}
      {labels.length > mostLabels ? (
        <span className="label" title={labels.slice(mostLabels).join(", ")}>
          +{labels.length - mostLabels}
        </span>
      ) : null}
    </>
  )
}

const elapsedOf = (row: FleetRow, now: number): string | undefined =>
  row.state === "working" && row.running !== undefined
    ? duration(now - DateTime.toEpochMillis(row.running.startedAt ?? row.running.createdAt))
    : undefined

const Doing = ({ row }: { readonly row: FleetRow }) => {
  if (row.state !== "working" || row.running === undefined) {
    return <span className="why">{row.why}</span>
  }
  const { progress, running } = row
  return (
    <>
      <span className="query-text">{running.text}</span>
      <span className="step">
        {progress === undefined || progress.step === "" ? row.why : progress.step}
        {progress === undefined || progress.steps === 0 ? "" : ` · step ${progress.steps}`}
      </span>
    </>
  )
}

interface RowProps {
  readonly row: FleetRow
  readonly index: number
  readonly now: number
  readonly start: number
  readonly size: number
}

const Row = memo(({ index, now, row, size, start }: RowProps) => {
  const { agent } = row
  const elapsed = elapsedOf(row, now)
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      className={`row row-${row.state}`}
      style={{ transform: `translateY(${start}px)`, height: size }}
    >
      <div role="cell" className="cell-state">
        <StateBadge state={row.state} />
      </div>
      <div role="cell" className="cell-agent">
        <Link href={`/agents/${agent.id}`} className="row-link" data-row={index}>
          {agent.name}
        </Link>
        <span className="row-meta">
          <span className="profile">{agent.profile}</span>
          {agent.pool === undefined ? null : <span className="label">pool {agent.pool}</span>}
          <Labels row={row} />
        </span>
      </div>
      <div role="cell" className="cell-doing">
        <Doing row={row} />
      </div>
      <div role="cell" className="cell-time number">
        {elapsed ?? <span className="muted">{ago(now - row.lastActiveAt)}</span>}
      </div>
      <div role="cell" className="cell-queries number">
        {count(agent.queryCount)}
        {row.waiting > 0 ? <span className="waiting">+{row.waiting}</span> : null}
      </div>
      <div role="cell" className="cell-cost number">
        {dollars(row.costToday)}
      </div>
    </div>
  )
})

interface FleetRowsProps {
  readonly rows: ReadonlyArray<FleetRow>
  readonly now: number
  readonly onVisible: (ids: ReadonlySet<string>) => void
}

const columns = ["State", "Agent", "Now", "Active", "Queries", "Today"] as const

export const FleetRows = ({ now, onVisible, rows }: FleetRowsProps) => {
  const narrow = useNarrow()
  const scroll = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => (narrow ? 108 : 62),
    getItemKey: (index) => rows[index]?.agent.id ?? index,
    overscan: 6
  })
  useEffect(() => virtual.measure(), [narrow, virtual])
  const items = virtual.getVirtualItems()

  const visible = items.map(({ index }) => rows[index]?.agent.id ?? "").join()
  useEffect(() => onVisible(new Set(visible.split(","))), [onVisible, visible])

  /** Arrow keys move from agent to agent, also to those that are not in the document yet. */
  const onKeyDown = (event: KeyboardEvent) => {
    const at = Number((event.target as HTMLElement).dataset["row"] ?? NaN)
    const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 10, PageUp: -10 }[event.key]
    if (Number.isNaN(at) || by === undefined) return
    event.preventDefault()
    const next = Math.max(0, Math.min(rows.length - 1, at + by))
    virtual.scrollToIndex(next)
    requestAnimationFrame(() =>
      requestAnimationFrame(() =>
        scroll.current?.querySelector<HTMLElement>(`[data-row="${next}"]`)?.focus({ preventScroll: true })
      )
    )
  }

  return (
    <div className="table" role="table" aria-label="Agents" aria-rowcount={rows.length + 1}>
      <div role="rowgroup" className="table-head">
        <div role="row" aria-rowindex={1} className="row row-head">
          {columns.map((name) => (
            <div role="columnheader" key={name} className={`head-${name.toLowerCase()}`}>
              {name}
            </div>
          ))}
        </div>
      </div>
      {/* Chromium makes a box that scrolls focusable by itself; the arrow keys of its links scroll it. */}
      <div role="rowgroup" className="table-body" ref={scroll} onKeyDown={onKeyDown} tabIndex={-1}>
        <div role="presentation" style={{ height: virtual.getTotalSize() }} className="table-space">
          {items.map(({ index, key, size, start }) => {
            const row = rows[index]
            return row === undefined ? null : (
              <Row key={key} row={row} index={index} now={now} size={size} start={start} />
            )
          })}
        </div>
      </div>
    </div>
  )
}
