import { Id } from "@remote-agent/domain"
import type { AgentPool } from "@remote-agent/orchestrator"
import { Clock, Duration, Effect, Result } from "effect"
import { Argument, Flag } from "effect/cli"
import * as App from "../../app/App.ts"
import type { Run } from "../../app/Environment.ts"
import * as ExitCode from "../../ui/ExitCode.ts"
import { Ended, Usage } from "../../ui/Failure.ts"
import * as Json from "../../ui/json.ts"
import * as PoolResults from "./poolResults.ts"
import * as ProgressDisplay from "../../ui/ProgressDisplay.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as TextInput from "../../app/textInput.ts"
import { jsonText } from "../../ui/plainText.ts"
import * as Budget from "../shared/budget.ts"
import { command } from "../shared/command.ts"
import { app, budget, optional, PoolName, poolSize, question, text, timeout } from "../shared/flags.ts"
import * as SandboxEnv from "../shared/sandboxEnv.ts"
import * as NamedPool from "./namedPool.ts"
import { runPool } from "./runPool.ts"

const questionsOf = Effect.fnUntraced(function* (questions: ReadonlyArray<string>, file: string | undefined) {
  const lines = file === undefined ? [] : (yield* TextInput.file(file, "file")).split(/\r?\n/)
  const all = [...questions, ...lines.filter((one) => one.trim() !== "")]
  if (all.length > 0) return all
  return yield* new Usage({
    message: "There is no question. Give questions as arguments, or a file with --file."
  })
})

/** `pool run`. */
export const run = command({
  name: "pool run",
  description: "Ask a pool of agents many questions",
  flags: {
    questions: Argument.variadic(question),
    file: text("file", "A file with one question per line"),
    name: optional(
      Flag.String("name").pipe(
        Flag.withSchema(PoolName),
        Flag.withDescription("A named pool to ask (default: a new pool, which is terminated afterwards)")
      )
    ),
    size: poolSize,
    order: Flag.Literals("order", ["input", "completion"]).pipe(
      Flag.withDefault("input"),
      Flag.withDescription("Print answers in the order of the questions, or as they come")
    ),
    ...budget("all queries of the pool"),
    ...app,
    timeout
  },
  examples: [
    {
      command: 'remote-agent pool run "Tesla revenue 2024" "Apple revenue 2024"',
      description: "Two agents, which are terminated afterwards"
    },
    {
      command: "remote-agent pool run --name research --file questions.txt --json",
      description: "A named pool; one JSON document per line"
    }
  ],
  run: Effect.fn("pool run")(function* (flags): Run {
    const { json, order, profile, size } = flags
    const { note, out } = yield* Screen
    const questions = yield* questionsOf(flags.questions, flags.file)
    const options = {
      env: yield* SandboxEnv.parse(flags.env),
      poolBudget: Budget.of(flags),
      order,
      timeout: flags.timeout === undefined ? undefined : Duration.seconds(flags.timeout)
    }
    const started = yield* Clock.currentTimeMillis
    const asked = Effect.fnUntraced(function* (pool: Pick<AgentPool.PoolSpec, "size" | "name" | "profile">) {
      const display = yield* json ? Effect.succeed(ProgressDisplay.none) : ProgressDisplay.make(note)
      const print = (result: AgentPool.PoolResult) =>
        json
          ? Effect.flatMap(Json.ofPool(result), (document) => line(out, jsonText(document)))
          : // On a terminal both outputs are the same screen, so the display moves its lines out of the way.
            out.live && note.live
            ? display.say(PoolResults.toText(out, result))
            : line(out, PoolResults.toText(out, result))
      return { results: yield* runPool(questions, { ...pool, ...options }, display, print), size: pool.size }
    }, Effect.scoped)
    const named = Effect.fnUntraced(function* (name: string) {
      const pool = yield* NamedPool.get(Id.PoolName.make(name))
      return yield* asked({ name: pool.name, profile, size: size ?? pool.size })
    })
    const ran = yield* flags.name === undefined
      ? Effect.provide(asked({ size: Math.min(size ?? 3, questions.length) }), App.temporary(flags))
      : Effect.provide(named(flags.name), App.durable(flags))
    if (!json) {
      const millis = (yield* Clock.currentTimeMillis) - started
      yield* line(note, PoolResults.summary(note, ran.results, ran.size, millis))
    }
    const codes = ran.results.flatMap(({ result }) =>
      Result.isFailure(result) ? [ExitCode.of(result.failure)] : []
    )
    const [first] = codes
    if (first === undefined) return
    return yield* new Ended({ code: codes.length < ran.results.length ? ExitCode.exitCode.partly : first })
  })
})
