/** Cases for commands. */
import { Effect, Redacted, Stream } from "effect"
import type { Command, ProcessEvent } from "../../Sandbox.ts"
import { Sandboxes } from "../../Sandboxes.ts"
import {
  awkward,
  beat,
  beating,
  box,
  type Case,
  check,
  define,
  reasonOf,
  same,
  scripts,
  still,
  ttl
} from "./case.ts"

const argvOf = (total: number): readonly [string, ...ReadonlyArray<string>] => [
  "printf",
  "%s\\0",
  ...Array.from({ length: Math.ceil(total / (awkward.length + 4)) }, (_, index) => `${index}${awkward}`)
]

const runs = (command: Command) => Effect.flatMap(box(), (sandbox) => sandbox.exec(command))

const text = (events: ReadonlyArray<ProcessEvent>) =>
  events.map((event) => ("text" in event ? event.text : "")).join("")

/**
 * Runs a command into its timeout. On a busy machine the command may not have started by then, which proves nothing, so
 * it is run again with a longer timeout.
 */
const killed = (
  script: keyof typeof scripts,
  timeouts: (millis: number) => NonNullable<Command["timeouts"]>,
  reason: string
) =>
  Effect.gen(function* () {
    const sandbox = yield* box()
    for (let millis = 400; millis < 30_000 && (yield* beat(sandbox)) === ""; millis *= 2) {
      const timedOut = yield* reasonOf(sandbox.exec({ script: scripts[script], timeouts: timeouts(millis) }))
      yield* same(timedOut, reason, "the reason")
    }
    yield* check((yield* beat(sandbox)) !== "", "the command should run before it is killed")
    yield* still(sandbox)
  })

/** Cases for commands. */
export const cases: ReadonlyArray<Case> = [
  define("returns stdout, stderr and the exit code", () =>
    Effect.flatMap(runs({ script: scripts.both }), (result) =>
      same(result, { exitCode: 3, stdout: "out\n", stderr: "err\n" }, "the result")
    )
  ),
  define("passes 100 KB of arguments with every awkward character unchanged", () => {
    const argv = argvOf(100_000)
    return Effect.flatMap(runs({ argv }), ({ stdout }) =>
      check(stdout === argv.slice(2).join("\0") + "\0", "the arguments should arrive unchanged")
    )
  }),
  define("reports a missing program by its exit code", () =>
    Effect.flatMap(runs({ argv: ["no-such-program-anywhere"] }), ({ exitCode }) =>
      same(exitCode, 127, "the exit code")
    )
  ),
  define("sends standard input to its end", () => {
    const stdin = awkward.repeat(2000)
    return Effect.flatMap(runs({ script: scripts.input, stdin }), ({ stdout }) =>
      check(stdout === stdin, "the input should come back unchanged")
    )
  }),
  define("gives commands the environment of the sandbox, overridden by their own", () =>
    Effect.gen(function* () {
      const sandbox = yield* (yield* Sandboxes).create({
        ttl,
        env: { SUITE_SECRET: Redacted.make("fake-secret"), SUITE_EXTRA: "sandbox" }
      })
      const run = (env: Record<string, string>) => sandbox.exec({ script: scripts.secret, env })
      yield* same((yield* run({})).stdout, "fake-secret-sandbox", "the environment")
      yield* same((yield* run({ SUITE_EXTRA: awkward })).stdout, `fake-secret-${awkward}`, "the environment")
    })
  ),
  define("starts commands in the home folder, or in the given one", () =>
    Effect.gen(function* () {
      const sandbox = yield* box()
      const home = (yield* sandbox.files.stat(".")).path
      yield* sandbox.files.makeDir("deep/er")
      yield* same((yield* sandbox.exec({ script: scripts.where })).stdout, `${home}\n`, "the folder")
      yield* same(
        (yield* sandbox.exec({ script: scripts.where, cwd: `${home}/deep/er` })).stdout,
        `${home}/deep/er\n`,
        "the folder"
      )
      yield* same(
        yield* reasonOf(sandbox.exec({ script: scripts.where, cwd: "/no/such/folder" })),
        "InvalidRequest",
        "the reason"
      )
    })
  ),
  define("streams the events of a command in order, from its start to its exit", () =>
    Effect.gen(function* () {
      const sandbox = yield* box()
      const events = yield* Stream.runCollect(sandbox.spawn({ script: scripts.steps }))
      yield* same(events[0]?._tag, "Started", "the first event")
      yield* same(events.at(-1), { _tag: "Exit", exitCode: 0 }, "the last event")
      yield* same(text(events), "step 1\nstep 2\nstep 3\n", "the output")
    })
  ),
  define("joins a character that arrives in two pieces", () =>
    Effect.flatMap(runs({ script: scripts.splitUtf8 }), ({ stdout }) => same(stdout, "é\n", "the output"))
  ),
  define("kills a silent command and everything it started", () =>
    killed("heart", (idle) => ({ idle }), "IdleTimedOut")
  ),
  define("kills a command that takes too long and everything it started, however much it writes", () =>
    killed("chatty", (wall) => ({ idle: "1 minute", wall }), "WallTimedOut")
  ),
  define("kills a command whose stream is left", () =>
    Effect.gen(function* () {
      const sandbox = yield* box()
      yield* Stream.runDrain(
        Stream.takeUntil(sandbox.spawn({ script: scripts.chatty }), (event) => event._tag === "Stdout")
      )
      yield* still(sandbox)
    })
  ),
  define("kills a command that is interrupted", () =>
    Effect.gen(function* () {
      const sandbox = yield* box()
      yield* Effect.raceFirst(sandbox.exec({ script: scripts.heart }), beating(sandbox))
      yield* still(sandbox)
    })
  )
]
