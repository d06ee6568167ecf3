import {
  Agent,
  AgentEvent,
  PoolRecord,
  Query,
  StateDocument,
  type StateStoreError
} from "@remote-agent/domain"
import { DateTime, Effect, Redacted, Schema, Stream } from "effect"
import * as DocumentFile from "./DocumentFile.ts"
import type { StateStore } from "../StateStore.ts"

type Store = StateStore["Service"]

/**
 * The number of records that were exported.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exported {
  readonly pools: number
  readonly agents: number
  readonly queries: number
  readonly events: number
}

/**
 * The options of an export.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExportOptions {
  /** Values that are replaced by `***` wherever they occur in the document. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
}

const encodePool = Schema.encodeEffect(Schema.toCodecJson(PoolRecord.PoolRecord))
const encodeAgent = Schema.encodeEffect(Schema.toCodecJson(Agent.Agent))
const encodeQuery = Schema.encodeEffect(Schema.toCodecJson(Query.Query))
const encodeEvent = Schema.encodeEffect(Schema.toCodecJson(AgentEvent.AgentEvent))

/** Replaces secrets by `***` in JSON text. */
const masking = (secrets: ReadonlyArray<Redacted.Redacted>) => {
  const values = secrets
    .map((secret) => JSON.stringify(Redacted.value(secret)).slice(1, -1))
    .filter((value) => value !== "")
    .toSorted((a, b) => b.length - a.length)
  return (json: string): string => values.reduce((text, value) => text.replaceAll(value, "***"), json)
}

/**
 * Exports the state to a file, atomically. Only its owner may read the file.
 *
 * **Details**
 *
 * Every record is complete. A change during the export is in the file or not. At most one record and one page of its
 * events are in memory.
 *
 * @category export
 * @since 0.1.0
 */
export const exportTo: (
  store: Store,
  file: string,
  options?: ExportOptions
) => Effect.Effect<Exported, StateStoreError.StateStoreError> = Effect.fn("StateExport.exportTo")(function* (
  store: Store,
  file: string,
  { secrets = [] }: ExportOptions = {}
) {
  const mask = masking(secrets)
  const counts = { pools: 0, agents: 0, queries: 0, events: 0 }
  const exportedAt = DateTime.formatIso(yield* DateTime.now)
  const { format, version } = StateDocument

  const json = (value: unknown) => mask(JSON.stringify(value))

  /** The items of an array, each after a comma but the first. */
  const items = <A, E>(
    what: keyof typeof counts,
    all: Stream.Stream<A, E>,
    text: (item: A) => Effect.Effect<string>
  ) =>
    Stream.mapEffect(all, (item) =>
      Effect.map(text(item), (line) => `${counts[what]++ === 0 ? "\n" : ",\n"}${line}`)
    )

  const log = ({ id }: Query.Query) => {
    let first = true
    return Stream.mapEffect(store.events(id, 0), ({ at, event }) =>
      Effect.map(Effect.orDie(encodeEvent(event)), (body) => {
        const comma = first ? "" : ","
        first = false
        counts.events++
        return `${comma}${json({ at: DateTime.formatIso(at), event: body })}`
      })
    )
  }

  const logged = Stream.flatMap(store.listQueries(), (query) =>
    Stream.make(
      Effect.map(Effect.orDie(encodeQuery(query)), (body) => {
        const comma = counts.queries++ === 0 ? "\n" : ",\n"
        return `${comma}{"query":${json(body)},"events":[`
      })
    ).pipe(
      Stream.mapEffect((opening) => opening),
      Stream.concat(log(query)),
      Stream.concat(Stream.make("]}"))
    )
  )

  const text = Stream.make(
    `{"format":${json(format)},"version":${version},"exportedAt":${json(exportedAt)},"queries":[`
  ).pipe(
    Stream.concat(logged),
    Stream.concat(Stream.make('],\n"pools":[')),
    Stream.concat(
      items("pools", store.listPools, (pool) => Effect.map(Effect.orDie(encodePool(pool)), json))
    ),
    Stream.concat(Stream.make('],\n"agents":[')),
    Stream.concat(
      items("agents", store.listAgents(), (agent) => Effect.map(Effect.orDie(encodeAgent(agent)), json))
    ),
    Stream.concat(Stream.make("]}\n"))
  )
  yield* DocumentFile.write(file, text)
  return { ...counts } satisfies Exported
})
