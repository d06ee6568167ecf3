import type { OrchestratorError } from "@remote-agent/domain"
import { type AgentPool, Orchestrator } from "@remote-agent/orchestrator"
import { Clock, Duration, Effect, FileSystem, Result, type Scope, Stream } from "effect"
import * as App from "../../app/App.ts"
import * as Budgets from "../shared/budgets.ts"
import * as Documents from "../../ui/json.ts"
import * as ProgressDisplay from "../../ui/ProgressDisplay.ts"
import * as NamedPools from "./NamedPools.ts"
import { codeOf, Ended, exitCode, type Run, toLines, Usage } from "../../ui/Failure.ts"
import { bold, green, line, type Output, red, Screen } from "../../ui/Screen.ts"

/** The flags of `pool`. */
export interface PoolFlags extends App.AppFlags, Budgets.BudgetFlags {
  readonly questions: ReadonlyArray<string>
  /** A file with a question per line. */
  readonly file?: string | undefined
  /** A pool that stays; one of their own when absent. */
  readonly name?: string | undefined
  readonly size?: number | undefined
  readonly timeout?: number | undefined
  readonly order: "input" | "completion"
  readonly env: ReadonlyArray<string>
  readonly json: boolean
}

/** A result for people: the question, and the answer or why there is none. */
export const toText = (output: Output, { index, query, result }: AgentPool.PoolResult): string => {
  const answer = Result.isSuccess(result)
    ? result.success.answer.split("\n")
    : toLines(result.failure).map((text) => red(output, text))
  return [bold(output, `${index + 1}. ${query}`), ...answer.map((text) => `   ${text}`)].join("\n")
}

/** How it went, in one line. */
export const summary = (
  output: Output,
  results: ReadonlyArray<AgentPool.PoolResult>,
  agents: number,
  millis: number
): string => {
  const answered = results.filter(({ result }) => Result.isSuccess(result)).length
  const text = `${answered} of ${results.length} answered by ${agents} agent${agents === 1 ? "" : "s"} in ${(millis / 1000).toFixed(1)} s.`
  return answered === results.length ? green(output, text) : red(output, text)
}

const questionsOf = Effect.fnUntraced(function* ({ file, questions }: PoolFlags) {
  if (file === undefined) return questions
  const text = yield* Effect.mapError(
    Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(file)),
    () => new Usage({ message: `The file ${file} cannot be read. Check its name and who may read it.` })
  )
  const lines = text.split(/\r?\n/).filter((question) => question.trim() !== "")
  return [...questions, ...lines]
})

/** Runs questions on a pool and gives back all results, showing what happens on the way. */
export const runPool = Effect.fnUntraced(function* (
  questions: ReadonlyArray<string>,
  options: AgentPool.PoolQueryOptions &
    Pick<AgentPool.PoolSpec, "size" | "env" | "name" | "poolBudget" | "profile">,
  display: ProgressDisplay.ProgressDisplay,
  onResult: (result: AgentPool.PoolResult) => Effect.Effect<void>
): Effect.fn.Return<
  ReadonlyArray<AgentPool.PoolResult>,
  OrchestratorError.OrchestratorError,
  Orchestrator.Orchestrator | Scope.Scope
> {
  const orchestrator = yield* Orchestrator.Orchestrator
  const { env, name, profile, size, poolBudget } = options
  const pool = yield* orchestrator.pool({ size, env, name, profile, onEvent: display.onEvent, poolBudget })
  return yield* Stream.runCollect(Stream.tap(pool.query(questions, options), onResult))
}, Effect.scoped)

/** The pool of a name as it is recorded, and larger or smaller when that is asked for. */
const wellKnown = Effect.fnUntraced(function* (name: string, { profile, size }: PoolFlags) {
  const pool = yield* NamedPools.get(name)
  return { name: pool.name, profile, size: size ?? pool.size }
})

/** Launches a pool, puts every question to it, prints the answers on stdout, and ends it unless it has a name. */
export const run = Effect.fn("pool run")(function* (flags: PoolFlags): Run {
  const { note, out } = yield* Screen
  const questions = yield* questionsOf(flags)
  if (questions.length === 0) {
    return yield* new Usage({
      message: "There is no question to ask. Give some as arguments, or a file with --file."
    })
  }
  const env = yield* App.environment(flags.env)
  const started = yield* Clock.currentTimeMillis
  const timeout = flags.timeout === undefined ? undefined : Duration.seconds(flags.timeout)
  const asked = Effect.fnUntraced(function* (pool: Pick<AgentPool.PoolSpec, "size" | "name" | "profile">) {
    const display = yield* flags.json ? Effect.succeed(ProgressDisplay.none) : ProgressDisplay.make(note)
    const print = (result: AgentPool.PoolResult) =>
      flags.json
        ? Effect.flatMap(Documents.ofPool(result), (document) => line(out, JSON.stringify(document)))
        : // On a terminal both outputs are the same screen, and the drawn lines must not be written over.
          out.live && note.live
          ? display.say(toText(out, result))
          : line(out, toText(out, result))
    const results = yield* runPool(
      questions,
      { ...pool, env, poolBudget: Budgets.of(flags), order: flags.order, timeout },
      display,
      print
    )
    return { results, size: pool.size }
  }, Effect.scoped)
  const { name } = flags
  const { results, size } = yield* name === undefined
    ? Effect.provide(asked({ size: Math.min(flags.size ?? 3, questions.length) }), App.layer(flags))
    : Effect.provide(Effect.flatMap(wellKnown(name, flags), asked), App.durable(flags))
  if (!flags.json) yield* line(note, summary(note, results, size, (yield* Clock.currentTimeMillis) - started))
  const failures = results.flatMap(({ result }) => (Result.isFailure(result) ? [codeOf(result.failure)] : []))
  if (failures.length === 0) return
  const [first = exitCode.failed] = failures
  return yield* new Ended({ code: failures.length < results.length ? exitCode.partly : first })
})
