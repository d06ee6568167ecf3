import { AgentEvent } from "@remote-agent/domain"
import type { AgentPool } from "@remote-agent/orchestrator"
import { plain } from "./plainText.ts"
import * as Table from "./Table.ts"

/** What one agent is doing. */
interface Row {
  readonly doing: string
  /** When it started, in milliseconds since 1970. */
  readonly since: number
}

/** What the agents of a pool are doing, by slot. */
export type View = ReadonlyMap<number, Row>

/** No agents yet. */
export const empty: View = new Map()

const short = (text: string, width = 60): string =>
  Table.cut(plain(text).replaceAll(/\s+/g, " ").trim(), width)

const outcome = ({ result }: AgentPool.PoolResult): string => {
  if (result._tag === "Success") return `answered: ${short(result.success.answer)}`
  return `no answer: ${short(result.failure.message)}`
}

/** An event in words, or undefined when it is not worth a line. */
export const words = (event: AgentPool.PoolEvent): string | undefined => {
  switch (event._tag) {
    case "Launching":
      return "starting its sandbox"
    case "Ready":
      return `ready in sandbox ${event.agent.binding?.sandboxId ?? "?"}`
    case "LaunchFailed":
      return `launch failed: ${short(event.error.message, 200)}`
    case "Started":
      return `question ${event.index + 1}: ${short(event.query)}`
    case "Ended":
      return `question ${event.result.index + 1} ${outcome(event.result)}`
    case "Lost":
      return "lost its sandbox"
    case "Retired":
      return "is no longer needed"
    case "Event": {
      if (event.record.event.type === "result" || event.record.event.type === "ready") return undefined
      const said = AgentEvent.describe(event.record.event)
      return said === "" ? undefined : short(said, 100)
    }
  }
}

/** The view after an event. */
export const update = (view: View, event: AgentPool.PoolEvent, now: number): View => {
  const doing = event._tag === "Ended" ? "waiting" : words(event)
  if (doing === undefined) return view
  const since = event._tag === "Event" ? (view.get(event.slot)?.since ?? now) : now
  return new Map(view).set(event.slot, { doing, since })
}

/** A duration in seconds, such as `4.2 s`. */
export const seconds = (millis: number): string => `${(Math.max(0, millis) / 1000).toFixed(1)} s`

/** A duration in its largest unit, for tables: `42s`, `3m`, `5h`, `12d`. */
export const age = (millis: number): string => {
  const whole = Math.max(0, Math.floor(millis / 1000))
  if (whole < 60) return `${whole}s`
  if (whole < 3600) return `${Math.floor(whole / 60)}m`
  return whole < 86_400 ? `${Math.floor(whole / 3600)}h` : `${Math.floor(whole / 86_400)}d`
}

/** The view as lines that fit, one per agent, ordered by slot. */
export const render = (view: View, now: number, columns: number): ReadonlyArray<string> =>
  [...view]
    .toSorted(([a], [b]) => a - b)
    .map(([slot, { doing, since }]) => {
      const [head, tail] = [`agent ${slot + 1}  `, `  ${seconds(now - since)}`]
      const room = Math.max(1, columns - 1 - head.length - tail.length)
      return `${head}${short(doing, room)}${tail}`
    })
