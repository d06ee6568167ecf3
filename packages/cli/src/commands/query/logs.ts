import { AgentEvent } from "@remote-agent/domain"
import { Orchestrator, StateStore } from "@remote-agent/orchestrator"
import { DateTime, Effect, Option, Stream } from "effect"
import * as App from "../../app/App.ts"
import * as Documents from "../../ui/json.ts"
import { codeOfOutcome, Ended, type Run } from "../../ui/Failure.ts"
import * as NamedQuery from "../../app/NamedQuery.ts"
import * as Provider from "../../app/agentProvider.ts"
import { dim, line, type Output, red, Screen } from "../../ui/Screen.ts"
import * as State from "../../app/State.ts"

/** The flags of `logs`. */
export interface LogsFlags extends App.AppFlags {
  readonly named: string
  readonly follow: boolean
  /** The `seq` of the first event that is wanted. */
  readonly from: number
  readonly json: boolean
}

/** An event that says nothing while it happens. */
const quiet = (event: AgentEvent.AgentEvent): string => {
  switch (event.type) {
    case "tool_end":
      return `${event.tool} is done`
    case "tool_progress":
      return `${event.tool} goes on`
    case "session":
      return `session ${event.sessionId}`
    default:
      return event.type
  }
}

/** An event for people: its place, when it was, and what the agent did. */
export const toText = (output: Output, { at, event, seq }: AgentEvent.EventRecord): string => {
  const head = `${String(seq).padStart(4)}  ${DateTime.formatIso(at).slice(11, 19)}  `
  const words = AgentEvent.describe(event)
  const [first = "", ...more] = (words === "" ? quiet(event) : words).split("\n")
  const text = [first, ...more.map((part) => " ".repeat(head.length) + part)].join("\n")
  if (event.type !== "result") return dim(output, head + text)
  return dim(output, head) + (event.outcome === "ok" ? text : red(output, text))
}

const print = (flags: LogsFlags) => (record: AgentEvent.EventRecord) =>
  Effect.gen(function* () {
    const { out } = yield* Screen
    yield* line(out, flags.json ? JSON.stringify(yield* Documents.ofEvent(record)) : toText(out, record))
  })

/** What is in the log by now, and the query as it was before. */
const recorded = (flags: LogsFlags) =>
  Effect.gen(function* () {
    const found = yield* NamedQuery.query(flags.named, NamedQuery.newest)
    const { events } = yield* StateStore.StateStore
    if (!flags.follow || found.query.status === "ended") {
      yield* Stream.runForEach(events(found.query.id, flags.from), print(flags))
    }
    return found
  }).pipe(Effect.provide(State.layer(flags)))

const outcomeOf = (last: Option.Option<AgentEvent.EventRecord>) =>
  Option.isSome(last) && last.value.event.type === "result" ? last.value.event.outcome : undefined

/**
 * Prints the events of a query, from the records alone; with `follow` until its result, whoever runs it, and then it
 * ends as the query did.
 */
export const run = Effect.fn("logs")(function* (flags: LogsFlags): Run {
  const { agent, query } = yield* recorded(flags)
  if (!flags.follow) return
  const follow = Effect.gen(function* () {
    const { events } = yield* Orchestrator.Orchestrator
    return yield* Stream.runLast(Stream.tap(events(query.id, flags.from), print(flags)))
  })
  const outcome =
    query.status === "ended"
      ? query.outcome
      : yield* Effect.map(
          Effect.provide(follow, App.durable(yield* Provider.where(flags, [agent]))),
          outcomeOf
        )
  const code = outcome === undefined ? 0 : codeOfOutcome(outcome)
  if (code !== 0) return yield* new Ended({ code })
})
