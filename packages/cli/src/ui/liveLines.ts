import { AgentEvent } from "@remote-agent/domain"
import type { AgentPool } from "@remote-agent/orchestrator"

/** What is shown of one agent. */
interface Row {
  readonly doing: string
  /** When it began to do this, in milliseconds since 1970. */
  readonly since: number
}

/** What is shown of a pool: a row per agent, by its slot. */
export type View = ReadonlyMap<number, Row>

/** Nothing yet. */
export const empty: View = new Map()

const short = (text: string, length = 60): string => {
  const flat = text.replaceAll(/\s+/g, " ").trim()
  return flat.length > length ? `${flat.slice(0, length - 1)}…` : flat
}

const outcome = ({ result }: AgentPool.PoolResult): string => {
  if (result._tag === "Success") return `answered: ${short(result.success.answer)}`
  return `no answer: ${short(result.failure.message)}`
}

/** What an event means in words, or nothing when it is not worth a line. */
export const words = (event: AgentPool.PoolEvent): string | undefined => {
  switch (event._tag) {
    case "Launching":
      return "starting its sandbox"
    case "Ready":
      return `ready in sandbox ${event.agent.binding?.sandboxId ?? "?"}`
    case "LaunchFailed":
      return `could not be launched: ${short(event.error.message, 200)}`
    case "Started":
      return `question ${event.index + 1}: ${short(event.query)}`
    case "Ended":
      return `question ${event.result.index + 1} ${outcome(event.result)}`
    case "Lost":
      return "lost its sandbox"
    case "Retired":
      return "is not needed any more"
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

const seconds = (millis: number): string => `${(Math.max(0, millis) / 1000).toFixed(1)} s`

/** The view as lines that fit, one per agent in the order of their slots. */
export const render = (view: View, now: number, columns: number): ReadonlyArray<string> =>
  [...view]
    .toSorted(([a], [b]) => a - b)
    .map(([slot, { doing, since }]) => {
      const [head, tail] = [`agent ${slot + 1}  `, `  ${seconds(now - since)}`]
      const room = Math.max(1, columns - 1 - head.length - tail.length)
      return `${head}${short(doing, room)}${tail}`
    })
