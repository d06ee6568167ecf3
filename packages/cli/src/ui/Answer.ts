import { AgentEvent, type Query } from "@remote-agent/domain"
import { Effect, Result } from "effect"
import * as ExitCode from "./ExitCode.ts"
import { Ended, type Failure } from "./Failure.ts"
import * as Json from "./json.ts"
import { dim, line, Screen } from "./Screen.ts"
import { jsonText, plain } from "./plainText.ts"

/** Prints an event in one line on stderr. The result is not printed. */
export const progress = Effect.fnUntraced(function* ({ event }: AgentEvent.EventRecord) {
  const { note } = yield* Screen
  const words = event.type === "result" ? "" : plain(AgentEvent.describe(event))
  if (words !== "") yield* line(note, dim(note, words))
})

/** Prints an answer, or with `json` the whole result of the query. Fails with the reason when there is no answer. */
export const print = Effect.fnUntraced(function* <E extends Failure>(
  result: Result.Result<Query.QueryResult, E>,
  json: boolean
): Effect.fn.Return<void, Failure | Ended, Screen> {
  const { out } = yield* Screen
  if (Result.isSuccess(result)) {
    const { success } = result
    return yield* line(out, json ? jsonText(yield* Json.ofQuery(success)) : plain(success.answer))
  }
  const { failure }: { readonly failure: Failure } = result
  if (json && failure._tag === "OrchestratorError" && failure.reason._tag === "QueryFailed") {
    yield* line(out, jsonText(yield* Json.ofQuery(failure.reason.result)))
    return yield* new Ended({ code: ExitCode.of(failure) })
  }
  return yield* failure
})
