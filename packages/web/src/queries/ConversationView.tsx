/** The conversation with an agent: what was asked, and what it did, thought and answered, as it happens. */
import type { Query } from "@remote-agent/domain"
import { useQuery } from "@tanstack/react-query"
import { useVirtualizer } from "@tanstack/react-virtual"
import { DateTime } from "effect"
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react"
import { useSession } from "../session/Session.tsx"
import { Button } from "../ui/Button.tsx"
import { duration, time } from "../ui/text/format.ts"
import { useNow } from "../ui/useNow.ts"
import { BlockView, ResultView } from "./BlockView.tsx"
import { type Item, itemAt, lengthOf, segmentsOf } from "./Conversation.ts"
import { outcomeNames } from "./outcomes.ts"
import { type OpenLog, useLogs } from "./useLogs.ts"

const Answer = ({ query }: { readonly query: Query.Query }) => {
  const { api } = useSession()
  const { data } = useQuery({
    queryKey: ["answer", query.id],
    queryFn: ({ signal }) =>
      api.run(({ queries }) => queries.get({ params: { id: query.id }, query: {} }), signal),
    staleTime: Infinity
  })
  return data?.result === undefined ? (
    <p className="notice">{outcomeNames[query.outcome ?? "ok"]}</p>
  ) : (
    <ResultView result={{ ...data.result, type: "result" }} />
  )
}

const Ask = ({
  item,
  now,
  onToggle
}: {
  readonly item: Extract<Item, { readonly kind: "ask" }>
  readonly now: number
  readonly onToggle: () => void
}) => {
  const { query } = item
  const asked = DateTime.toEpochMillis(query.createdAt)
  return (
    <article className="ask" aria-label="Query">
      <p className="ask-text">{query.text}</p>
      <p className="ask-facts">
        <time dateTime={new Date(asked).toISOString()}>{time(asked, now)}</time>
        {query.session === undefined ? null : <span>in conversation {query.session}</span>}
        {query.status === "ended" ? (
          <button type="button" className="link" aria-expanded={item.open} onClick={onToggle}>
            {item.open ? "Hide the steps" : "Show the steps"}
          </button>
        ) : null}
      </p>
    </article>
  )
}

const pendingText = (query: Query.Query, log: OpenLog | undefined): string => {
  if (log?.state === "reconnecting") return "The connection was lost. Reconnecting…"
  if (log?.state === "refused") return "The log of this query cannot be read."
  if (query.status === "ended") return "Reading the log…"
  if (query.status === "queued") return "Waiting for the agent"
  return query.cancelRequestedAt === undefined ? "Working" : "Cancelling"
}

const Pending = ({
  item,
  now
}: {
  readonly item: Extract<Item, { readonly kind: "pending" }>
  readonly now: number
}) => {
  const { log, query } = item
  const since = DateTime.toEpochMillis(query.startedAt ?? query.createdAt)
  return (
    <p className={`pending pending-${log?.state ?? "reading"}`}>
      <span className="state-dot" aria-hidden="true" />
      {pendingText(query, log)}
      {query.status === "ended" ? null : <span className="number muted">{duration(now - since)}</span>}
    </p>
  )
}

interface ConversationViewProps {
  /** Oldest first. */
  readonly queries: ReadonlyArray<Query.Query>
  /** Shown above the first query, if there are more. */
  readonly older: ReactNode
}

const toggled = (all: ReadonlySet<string>, key: string): ReadonlySet<string> => {
  const next = new Set(all)
  if (!next.delete(key)) next.add(key)
  return next
}

export const ConversationView = ({ older, queries }: ConversationViewProps) => {
  const now = useNow(1000)
  // The newest query is open, and so are those that run; others as they are asked for.
  const [changed, setChanged] = useState<ReadonlySet<string>>(new Set())
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set())
  const open = useMemo(() => {
    const newest = queries.at(-1)?.id
    const byItself = queries.filter(({ id, status }) => id === newest || status === "running")
    return byItself.reduce((all, { id }) => toggled(all, id), changed)
  }, [queries, changed])
  const logs = useLogs([...open])
  const segments = segmentsOf(queries, logs, open)
  const length = lengthOf(segments)

  const scroll = useRef<HTMLDivElement>(null)
  const atEnd = useRef(true)
  const [away, setAway] = useState(false)
  const virtual = useVirtualizer({
    count: length,
    getScrollElement: () => scroll.current,
    estimateSize: () => 48,
    getItemKey: (index) => itemAt(segments, index)?.key ?? index,
    overscan: 8
  })
  const total = virtual.getTotalSize()

  // Whoever reads the end sees what comes; others are not moved.
  useEffect(() => {
    const box = scroll.current
    if (atEnd.current && box !== null) box.scrollTop = box.scrollHeight
  }, [length, total])

  // The list also moves by itself: down as it grows, and up as measured entries turn out smaller than estimated.
  const last = useRef({ top: 0, height: 0 })
  const onScroll = () => {
    const box = scroll.current
    if (box === null) return
    const isNear = box.scrollHeight - box.scrollTop - box.clientHeight < 80
    if (isNear) atEnd.current = true
    else if (box.scrollTop < last.current.top - 4 && box.scrollHeight >= last.current.height) {
      atEnd.current = false
    }
    last.current = { top: box.scrollTop, height: box.scrollHeight }
    setAway(!atEnd.current)
  }

  const shown = (item: Item): ReactNode => {
    switch (item.kind) {
      case "ask":
        return <Ask item={item} now={now} onToggle={() => setChanged(toggled(changed, item.query.id))} />
      case "block":
        return (
          <BlockView
            block={item.block}
            open={unfolded.has(item.key)}
            onToggle={() => {
              atEnd.current = false
              setUnfolded(toggled(unfolded, item.key))
            }}
          />
        )
      case "answer":
        return <Answer query={item.query} />
      case "pending":
        return <Pending item={item} now={now} />
    }
  }

  return (
    <div className="conversation">
      <div
        className="conversation-scroll"
        ref={scroll}
        onScroll={onScroll}
        tabIndex={0}
        role="log"
        aria-label="Conversation"
        aria-live="off"
      >
        {older}
        <div className="conversation-space" style={{ height: total }}>
          {virtual.getVirtualItems().map(({ index, key, start }) => {
            const item = itemAt(segments, index)
            return item === undefined ? null : (
              <div
                key={key}
                data-index={index}
                ref={virtual.measureElement}
                className={`item item-${item.kind}`}
                style={{ transform: `translateY(${start}px)` }}
              >
                {shown(item)}
              </div>
            )
          })}
        </div>
      </div>
      {away ? (
        <div className="jump">
          <Button
            icon="down"
            onClick={() => {
              atEnd.current = true
              setAway(false)
              scroll.current?.scrollTo({ top: scroll.current.scrollHeight })
            }}
          >
            Latest
          </Button>
        </div>
      ) : null}
    </div>
  )
}
