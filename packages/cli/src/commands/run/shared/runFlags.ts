import { Id, Run } from "@remote-agent/domain"
import { Duration, Schema } from "effect"
import { Argument, Flag } from "effect/cli"
import { budget, optional, PoolSize, repeatable, text, timeout } from "../../shared/flags.ts"

/** The id of a run, as an argument. */
export const runId = Argument.String("run").pipe(
  Argument.withSchema(Id.RunId),
  Argument.withDescription("The id of the run, such as run_01jd…")
)

const outcomes = ["error", "max_iterations", "denied", "empty", "aborted", "timeout", "crash"] as const

const Attempts = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))
const Delay = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400 }))
const Priority = Schema.Int.check(Schema.isBetween({ minimum: -1000, maximum: 1000 }))
const Count = Schema.Int.check(Schema.isGreaterThan(0))

/** The flags that say how the questions of a run are answered. */
export const spec = {
  file: text("file", "A file with one question per line, or - for standard input"),
  size: optional(
    Flag.Int("size").pipe(
      Flag.withSchema(PoolSize),
      Flag.withDescription("How many agents answer at the same time (default: 3)")
    )
  ),
  name: text("name", "A name for people; several runs may have the same"),
  priority: Flag.Int("priority").pipe(
    Flag.withSchema(Priority),
    Flag.withDefault(0),
    Flag.withDescription("Runs with a greater priority get agents first")
  ),
  retry: repeatable("retry", `An outcome that is tried again: ${outcomes.join(", ")}`),
  attempts: Flag.Int("attempts").pipe(
    Flag.withSchema(Attempts),
    Flag.withDefault(3),
    Flag.withDescription("How often a question with an outcome of --retry is tried in all")
  ),
  retryDelay: Flag.Int("retry-delay").pipe(
    Flag.withSchema(Delay),
    Flag.withDefault(10),
    Flag.withDescription(
      "Seconds before the second attempt; they double with each one after that, up to an hour"
    )
  ),
  stopAfter: optional(
    Flag.Int("stop-after").pipe(
      Flag.withSchema(Count),
      Flag.withDescription("Stop the run after this many failed questions")
    )
  ),
  ...budget("all queries of the run"),
  timeout
}

/** The order of results. */
export const order = Flag.Literals("order", ["input", "completion"]).pipe(
  Flag.withDefault("input"),
  Flag.withDescription("Results in the order of the questions, or as they come")
)

/** The file that results are written to, and its format. */
export const output = {
  output: text("output", "A file for the results. One that exists is continued: no result is in it twice"),
  format: optional(
    Flag.Literals("format", ["jsonl", "csv"]).pipe(
      Flag.withDescription("JSON lines or CSV (default: by the end of the file's name, else JSON lines)")
    )
  )
}

const isOutcome = Schema.is(Schema.Literals(outcomes))

/** The retry policy of the flags, or the outcome that is none. */
export const retryOf = (flags: {
  readonly retry: ReadonlyArray<string>
  readonly attempts: number
  readonly retryDelay: number
}): Run.RetryPolicy | { readonly unknown: string } => {
  const unknown = flags.retry.find((one) => !isOutcome(one))
  if (unknown !== undefined) return { unknown }
  return flags.retry.length === 0
    ? Run.noRetries
    : new Run.RetryPolicy({
        outcomes: flags.retry.filter(isOutcome),
        attempts: flags.attempts,
        delay: Duration.seconds(flags.retryDelay),
        maxDelay: Duration.hours(1)
      })
}
