import { AgentEvent, type Id, OrchestratorError, Query } from "@remote-agent/domain"
import { Effect, Result } from "effect"
import * as Documents from "./json.ts"
import { codeOf, Ended, type Failure } from "./Failure.ts"
import { dim, line, Screen } from "./Screen.ts"

/** Tells what an agent does, one line per event, beside the answer. The result itself is not told. */
export const progress = Effect.fnUntraced(function* ({ event }: AgentEvent.EventRecord) {
  const { note } = yield* Screen
  const words = event.type === "result" ? "" : AgentEvent.describe(event)
  if (words !== "") yield* line(note, dim(note, words))
})

/** What the last event of a query says came of it. */
export const ofEvent = (
  { event, queryId }: AgentEvent.EventRecord,
  agentId: Id.AgentId,
  query: string
): Result.Result<Query.QueryResult, OrchestratorError.OrchestratorError> => {
  const { type: _, ...ended } =
    event.type === "result"
      ? event
      : ({
          type: "result",
          outcome: "crash",
          answer: "",
          error: "The log of the query ends without a result.",
          usage: { inputTokens: 0, outputTokens: 0, wallMillis: 0 }
        } as const)
  const result = new Query.QueryResult({ ...ended, agentId, query, queryId })
  return result.ok
    ? Result.succeed(result)
    : Result.fail(
        new OrchestratorError.OrchestratorError({
          operation: "query",
          reason: new OrchestratorError.QueryFailed({ result })
        })
      )
}

/** Prints an answer, or as JSON whatever came of the query. Fails with why there is no answer. */
export const tell = Effect.fnUntraced(function* <E extends Failure>(
  result: Result.Result<Query.QueryResult, E>,
  json: boolean
): Effect.fn.Return<void, Failure | Ended, Screen> {
  const { out } = yield* Screen
  if (Result.isSuccess(result)) {
    const { success } = result
    return yield* line(out, json ? JSON.stringify(yield* Documents.ofQuery(success)) : success.answer)
  }
  const { failure }: { readonly failure: Failure } = result
  if (json && failure._tag === "OrchestratorError" && failure.reason._tag === "QueryFailed") {
    yield* line(out, JSON.stringify(yield* Documents.ofQuery(failure.reason.result)))
    return yield* new Ended({ code: codeOf(failure) })
  }
  return yield* failure
})
