import { AgentEvent } from "@remote-agent/domain"
import { Orchestrator, StateStore } from "@remote-agent/orchestrator"
import { DateTime, Effect, Option, Schema, Stream } from "effect"
import { Flag } from "effect/cli"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import * as ExitCode from "../../ui/ExitCode.ts"
import { Ended } from "../../ui/Failure.ts"
import * as Json from "../../ui/json.ts"
import { dim, line, type Output, red, Screen } from "../../ui/Screen.ts"
import { jsonText, plain } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { durable, optional, queryOrAgent } from "../shared/flags.ts"

/** An event that has no words of its own. */
const nameOf = (event: AgentEvent.AgentEvent): string => {
  switch (event.type) {
    case "tool_end":
      return `${event.tool} has ended`
    case "tool_progress":
      return `${event.tool} is running`
    case "session":
      return `session ${event.sessionId}`
    default:
      return event.type
  }
}

/** An event for people: its number, its local time with the zone, and what the agent did. */
const toText = (output: Output, { at, event, seq }: AgentEvent.EventRecord): string => {
  const head = `${String(seq).padStart(4)}  ${localTime(DateTime.toEpochMillis(at))}  `
  const words = plain(AgentEvent.describe(event))
  const [first = "", ...more] = (words === "" ? nameOf(event) : words).split("\n")
  const text = [first, ...more.map((part) => " ".repeat(head.length) + part)].join("\n")
  if (event.type !== "result") return dim(output, head + text)
  return dim(output, head) + (event.outcome === "ok" ? text : red(output, text))
}

const two = (value: number) => String(value).padStart(2, "0")

/** A time of day in the zone of this machine, such as `14:03:07+02:00`. */
const localTime = (millis: number): string => {
  const date = new Date(millis)
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")
  const offset = -date.getTimezoneOffset()
  const size = Math.abs(offset)
  return `${time}${offset < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`
}

const outcomeOf = (last: Option.Option<AgentEvent.EventRecord>) =>
  Option.isSome(last) && last.value.event.type === "result" ? last.value.event.outcome : undefined

/** The number of the first of the last events that are stored. */
const fromLast = <E>(stored: Stream.Stream<AgentEvent.EventRecord, E>, count: number, otherwise: number) =>
  Effect.map(Stream.runHead(Stream.takeRight(stored, count)), (first) =>
    Option.match(first, { onNone: () => otherwise, onSome: ({ seq }) => seq })
  )

/** `logs`. */
export const logs = command({
  name: "logs",
  description: "Print the events of a query; of an agent, those of its newest query",
  flags: {
    named: queryOrAgent,
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDefault(false),
      Flag.withDescription("Continue until the query has ended, and exit as it did")
    ),
    tail: optional(
      Flag.Int("tail").pipe(
        Flag.withAlias("n"),
        Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
        Flag.withDescription("Only this many of the events so far, the last ones")
      )
    ),
    from: Flag.Int("from").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
      Flag.withDefault(0),
      Flag.withDescription("The number of the first event to print")
    ),
    ...durable
  },
  examples: [
    { command: "remote-agent logs analyst", description: "Its newest query" },
    { command: "remote-agent logs -f --json qry_...", description: "One JSON document per event" }
  ],
  run: Effect.fn("logs")(
    function* (flags): Run<State.Records> {
      const [{ out }, { events }] = [yield* Screen, yield* StateStore.StateStore]
      const print = (record: AgentEvent.EventRecord) =>
        flags.json
          ? Effect.flatMap(Json.ofEvent(record), (document) => line(out, jsonText(document)))
          : line(out, toText(out, record))
      const { agent, query } = yield* AgentLookup.query(flags.named, AgentLookup.newest)
      const stored = events(query.id, flags.from)
      if (!flags.follow || query.status === "ended") {
        yield* Stream.runForEach(
          flags.tail === undefined ? stored : Stream.takeRight(stored, flags.tail),
          print
        )
      }
      if (!flags.follow) return
      const followed = Effect.gen(function* () {
        const [{ queries }, { leftovers }] = [yield* Orchestrator.Orchestrator, yield* CommandHost]
        leftovers("The query continues.", "The query continues.")
        const handle = yield* queries.get(query.id)
        const from = flags.tail === undefined ? flags.from : yield* fromLast(stored, flags.tail, flags.from)
        return outcomeOf(yield* Stream.runLast(Stream.tap(handle.events(from), print)))
      }).pipe(Effect.provide(AgentLookup.services(flags, [agent])))
      const outcome = query.status === "ended" ? query.outcome : yield* followed
      const code = outcome === undefined ? 0 : ExitCode.ofOutcome(outcome)
      if (code !== 0) return yield* new Ended({ code })
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
