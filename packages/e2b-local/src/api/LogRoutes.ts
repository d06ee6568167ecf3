/**
 * The logs of sandboxes in the REST API of E2B, both versions.
 *
 * @since 0.1.0
 */
import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import * as Body from "./requestBody.ts"
import * as SandboxLog from "../sandboxes/SandboxLog.ts"
import { SandboxRegistry } from "../sandboxes/SandboxRegistry.ts"

const Limit = Schema.FiniteFromString.pipe(
  Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: 1000 }))
)
const FirstQuery = Schema.Struct({
  start: Schema.optionalKey(Schema.FiniteFromString),
  limit: Schema.optionalKey(Limit)
})
const Query = Schema.Struct({
  cursor: Schema.optionalKey(Schema.FiniteFromString),
  direction: Schema.optionalKey(Schema.Literals(["forward", "backward"])),
  level: Schema.optionalKey(Schema.Literals(["debug", "info", "warn", "error"])),
  search: Schema.optionalKey(Schema.String),
  limit: Schema.optionalKey(Limit)
})

const LIMIT = 1000

/** `/sandboxes/{id}/logs`: lines, and the same as entries. */
export const first = (id: string) =>
  Effect.gen(function* () {
    const { log } = yield* Effect.flatMap(SandboxRegistry, (registry) => registry.get(id))
    const { limit = LIMIT, start } = yield* Body.query(FirstQuery)
    const entries = SandboxLog.select(log.entries(), { cursor: start, limit }).map(SandboxLog.view)
    return HttpServerResponse.jsonUnsafe({
      logs: entries.map(({ message, timestamp }) => ({ timestamp, line: message })),
      logEntries: entries
    })
  })

/** `/v2/sandboxes/{id}/logs`. */
export const second = (id: string) =>
  Effect.gen(function* () {
    const { log } = yield* Effect.flatMap(SandboxRegistry, (registry) => registry.get(id))
    const { limit = LIMIT, ...wanted } = yield* Body.query(Query)
    return HttpServerResponse.jsonUnsafe({
      logs: SandboxLog.select(log.entries(), { ...wanted, limit }).map(SandboxLog.view)
    })
  })
