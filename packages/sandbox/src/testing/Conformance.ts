import { Id, SandboxError } from "@remote-agent/domain"
import {
  Data,
  type DateTime,
  Duration,
  Effect,
  Fiber,
  Redacted,
  Result,
  Schedule,
  type Scope,
  Stream
} from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import type { Command, FileEvent, ProcessEvent, Sandbox } from "../Sandbox.ts"
import { Sandboxes } from "../Sandboxes.ts"

/** A provider did not do what every provider must. */
export class Nonconforming extends Data.TaggedError("Nonconforming")<{ readonly message: string }> {}

/** One thing that every provider must do. */
export interface Case {
  readonly name: string
  readonly run: Effect.Effect<void, Nonconforming | SandboxError.SandboxError, Sandboxes>
}

/**
 * The scripts that the suite runs, by name. A provider without a real shell must know what they do; all others just
 * run them with bash.
 */
export const scripts = {
  both: "echo out; echo err >&2; exit 3",
  input: "cat",
  secret: 'printf %s "$SUITE_SECRET-$SUITE_EXTRA"',
  where: "pwd",
  steps: "for i in 1 2 3; do echo step $i; done",
  // An e acute, cut in two by the pause between its bytes.
  splitUtf8: "printf '\\303'; sleep 0.2; printf '\\251\\n'",
  // Beats from a child of a child, so that killing the leader alone is not enough.
  quiet: "sleep 3",
  heart: "(while :; do date +%s%N >beat; sleep 0.02; done) & wait",
  chatty: "while :; do echo tick; date +%s%N >beat; sleep 0.02; done",
  daemon: "nohup bash -c 'while :; do date +%s%N >beat; sleep 0.02; done' >/dev/null 2>&1 </dev/null &",
  // Writes the port down once it listens.
  web: `exec node -e 'const s = require("http").createServer((q, r) => r.end(q.url)).listen(0, "127.0.0.1", () => require("fs").writeFileSync("port", String(s.address().port)))'`,
  append: "echo more >>watched/new.txt",
  stranger: "ls -a ..; ls -a; ls /tmp"
} as const

const check = (condition: boolean, message: string) =>
  condition ? Effect.void : Effect.fail(new Nonconforming({ message }))

const same = (actual: unknown, expected: unknown, what: string) =>
  check(
    JSON.stringify(actual) === JSON.stringify(expected),
    `${what} should be ${JSON.stringify(expected)?.slice(0, 200)} but is ${JSON.stringify(actual)?.slice(0, 200)}`
  )

const keep = (seen: Set<string>) => (event: FileEvent) =>
  Effect.sync(() => void seen.add(`${event._tag} ${event.name}`))

const ttl = "5 minutes"

const box = (
  extra: Readonly<Record<string, string>> = {}
): Effect.Effect<Sandbox, SandboxError.SandboxError, Sandboxes | Scope.Scope> =>
  Effect.flatMap(Sandboxes, (sandboxes) =>
    sandboxes.create({ ttl, metadata: { suite: "conformance", ...extra }, env: {} })
  )

/** The reason with which an effect fails; succeeding is not conforming. */
const reasonOf = <A, R>(effect: Effect.Effect<A, SandboxError.SandboxError, R>) =>
  Effect.flatMap(Effect.result(effect), (result) =>
    Result.isFailure(result)
      ? Effect.succeed(result.failure.reason._tag)
      : Effect.fail(new Nonconforming({ message: "it should fail, and does not" }))
  )

const patiently = Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 1500 }))

/** Waits until a question is answered with yes; half a minute of no is a no. */
const eventually = <R>(question: Effect.Effect<boolean, SandboxError.SandboxError, R>, what: string) =>
  Effect.flatMap(Effect.repeat(question, { until: (yes) => yes, schedule: patiently }), (yes) =>
    check(yes, `${what} should happen, and does not`)
  )

const beat = (sandbox: Sandbox) =>
  Effect.catchReason(sandbox.files.readString("beat"), "SandboxError", "FileNotFound", () =>
    Effect.succeed("")
  )

const beating = (sandbox: Sandbox) =>
  Effect.flatMap(beat(sandbox), (before) =>
    eventually(
      Effect.map(beat(sandbox), (now) => now !== before),
      "a beat of the process"
    )
  )

/** That a process is dead or asleep: many moments pass and it does not beat. */
const still = (sandbox: Sandbox) =>
  Effect.gen(function* () {
    const before = yield* Effect.delay(beat(sandbox), "100 millis")
    const after = yield* Effect.delay(beat(sandbox), "200 millis")
    yield* same(after, before, "the beat of a process that should be dead")
  })

/** Every character that some shell reads as more than itself, and some that are more than one byte. */
export const awkward =
  Array.from({ length: 126 }, (_, code) => String.fromCharCode(code + 1)).join("") + "é😀\u2028"

const argvOf = (total: number): readonly [string, ...ReadonlyArray<string>] => [
  "printf",
  "%s\\0",
  ...Array.from({ length: Math.ceil(total / (awkward.length + 4)) }, (_, index) => `${index}${awkward}`)
]

const runs = (command: Command) => Effect.flatMap(box(), (sandbox) => sandbox.exec(command))

const text = (events: ReadonlyArray<ProcessEvent>) =>
  events.map((event) => ("text" in event ? event.text : "")).join("")

/**
 * Runs a command into its timeout, which is `millis` long. On a busy machine it may not have come to anything by
 * then, which proves nothing: it is run again with more time.
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

const define = (
  name: string,
  run: () => Effect.Effect<unknown, Nonconforming | SandboxError.SandboxError, Sandboxes | Scope.Scope>
): Case => ({ name, run: Effect.asVoid(Effect.scoped(Effect.suspend(run))) })

const endOf = (info: { readonly endsAt: DateTime.Utc }) => info.endsAt.epochMilliseconds

/** 50 MB in which no two pages are alike. */
const largeFile = () => {
  const bytes = new Uint8Array(50 * 1024 * 1024)
  for (let index = 0; index < bytes.length; index++) bytes[index] = (index * 7 + (index >> 8)) & 255
  return bytes
}

const sameBytes = (actual: Uint8Array, expected: Uint8Array) => {
  if (actual.length !== expected.length) return false
  for (let index = 0; index < expected.length; index++) if (actual[index] !== expected[index]) return false
  return true
}

/**
 * What every provider must do. Register the cases with your own test runner and give each one a fresh layer:
 *
 * ```ts
 * import { it } from "@effect/vitest"
 * import { Conformance, LocalSandboxes } from "@remote-agent/sandbox"
 * import { Effect } from "effect"
 *
 * for (const { name, run } of Conformance.cases) {
 *   it.live(name, () => Effect.provide(run, LocalSandboxes.layer()))
 * }
 * ```
 *
 * They use the real clock, leave nothing behind, and fail with what the provider did instead.
 */
export const cases: ReadonlyArray<Case> = [
  define("gives back stdout, stderr and the exit code", () =>
    Effect.flatMap(runs({ script: scripts.both }), (result) =>
      same(result, { exitCode: 3, stdout: "out\n", stderr: "err\n" }, "the result")
    )
  ),
  define("passes 100 KB of arguments with every awkward character on as they are", () => {
    const argv = argvOf(100_000)
    return Effect.flatMap(runs({ argv }), ({ stdout }) =>
      check(stdout === argv.slice(2).join("\0") + "\0", "the arguments should arrive unchanged")
    )
  }),
  define("reports a program that does not exist by its exit code", () =>
    Effect.flatMap(runs({ argv: ["no-such-program-anywhere"] }), ({ exitCode }) =>
      same(exitCode, 127, "the exit code")
    )
  ),
  define("feeds standard input to its end", () => {
    const stdin = awkward.repeat(2000)
    return Effect.flatMap(runs({ script: scripts.input, stdin }), ({ stdout }) =>
      check(stdout === stdin, "the input should come back unchanged")
    )
  }),
  define("gives commands the sandbox's environment with their own over it", () =>
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
  define("starts commands in the home folder, or where it is told", () =>
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
  define("streams what a command does in order, from its start to its exit", () =>
    Effect.gen(function* () {
      const sandbox = yield* box()
      const events = yield* Stream.runCollect(sandbox.spawn({ script: scripts.steps }))
      yield* same(events[0]?._tag, "Started", "the first event")
      yield* same(events.at(-1), { _tag: "Exit", exitCode: 0 }, "the last event")
      yield* same(text(events), "step 1\nstep 2\nstep 3\n", "the output")
    })
  ),
  define("puts a character together that comes in two pieces", () =>
    Effect.flatMap(runs({ script: scripts.splitUtf8 }), ({ stdout }) => same(stdout, "é\n", "the output"))
  ),
  define("kills a silent command and all it started", () =>
    killed("heart", (idle) => ({ idle }), "IdleTimedOut")
  ),
  define("kills a command that takes too long and all it started, however much it writes", () =>
    killed("chatty", (wall) => ({ idle: "1 minute", wall }), "WallTimedOut")
  ),
  define("kills a command whose reader leaves", () =>
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
  ),
  define("writes, reads, lists, moves and removes files", () =>
    Effect.gen(function* () {
      const { files } = yield* box()
      const bytes = Uint8Array.from({ length: 1024 }, (_, index) => index & 255)
      yield* files.write("a/b/bytes.bin", bytes)
      yield* files.write("a/b/bytes.bin", bytes.toReversed())
      yield* same([...(yield* files.read("a/b/bytes.bin"))], [...bytes].toReversed(), "the bytes")
      yield* files.write("a/ü 'x' $y.txt", "täxt")
      yield* same(yield* files.readString("a/ü 'x' $y.txt"), "täxt", "the text")
      const entries = yield* files.list("a")
      yield* same(
        entries
          .map(({ name, type, size }) => ({ name, type, ...(type === "file" ? { size } : {}) }))
          .toSorted((x, y) => (x.name < y.name ? -1 : 1)),
        [
          { name: "b", type: "directory" },
          { name: "ü 'x' $y.txt", type: "file", size: 5 }
        ],
        "the entries"
      )
      yield* files.rename("a/b", "c")
      yield* same((yield* files.stat("c/bytes.bin")).size, 1024, "the size")
      yield* files.remove("c")
      yield* files.remove("c")
      yield* same(yield* reasonOf(files.read("c/bytes.bin")), "FileNotFound", "the reason")
      yield* same(yield* reasonOf(files.stat("nowhere")), "FileNotFound", "the reason")
      yield* same(yield* reasonOf(files.list("nowhere")), "FileNotFound", "the reason")
      yield* same(yield* reasonOf(files.rename("nowhere", "x")), "FileNotFound", "the reason")
      yield* same(yield* reasonOf(files.read("a")), "InvalidRequest", "the reason")
    })
  ),
  define("carries a file of 50 MB there and back", () =>
    Effect.gen(function* () {
      const { files } = yield* box()
      const large = largeFile()
      yield* files.write("large.bin", large)
      yield* same((yield* files.stat("large.bin")).size, large.length, "the size")
      const back = yield* files.read("large.bin")
      yield* check(sameBytes(back, large), "every byte should come back")
    })
  ),
  define("lists by metadata, over as many pages as there are", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const mark = `mark &=%/é ${yield* Id.nextToken}`
      const mine = yield* Effect.replicateEffect(box({ mark }), 5)
      yield* box({ mark: "another" })
      const found = yield* Stream.runCollect(sandboxes.list({ metadata: { mark } }))
      yield* same(found.map(({ id }) => id).toSorted(), mine.map(({ id }) => id).toSorted(), "what is found")
      yield* check(
        found.every(({ metadata }) => metadata["mark"] === mark),
        "the metadata should come back unchanged"
      )
    })
  ),
  define("keeps processes and files through a pause, and lets nothing run in it", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const sandbox = yield* box()
      yield* sandbox.exec({ script: scripts.daemon })
      yield* beating(sandbox)
      yield* sandboxes.pause(sandbox.id)
      yield* sandboxes.pause(sandbox.id)
      yield* same((yield* sandboxes.info(sandbox.id)).state, "paused", "the state")
      yield* same(yield* reasonOf(sandbox.exec({ script: scripts.where })), "Paused", "the reason")
      yield* same(yield* reasonOf(sandbox.files.read("beat")), "Paused", "the reason")
      yield* same(yield* reasonOf(sandboxes.extend(sandbox.id, ttl)), "Paused", "the reason")
      yield* same((yield* sandboxes.info(sandbox.id)).state, "paused", "the state after asking")
      const connected = yield* sandboxes.connect(sandbox.id, ttl)
      yield* same(connected.resumed, true, "whether it was resumed")
      yield* beating(connected.sandbox)
      yield* same((yield* sandboxes.connect(sandbox.id, ttl)).resumed, false, "whether it was resumed")
      yield* sandboxes.pause(sandbox.id)
      yield* sandboxes.resume(sandbox.id, ttl)
      yield* sandboxes.resume(sandbox.id, ttl)
      yield* beating(sandbox)
    })
  ),
  define("finds what is paused, and only that, when asked for it", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const mark = yield* Id.nextToken
      const [asleep] = [yield* box({ mark }), yield* box({ mark })]
      yield* sandboxes.pause(asleep.id)
      const found = yield* Stream.runCollect(sandboxes.list({ metadata: { mark }, state: "paused" }))
      yield* same(
        found.map(({ id }) => id),
        [asleep.id],
        "what is found"
      )
    })
  ),
  define("cuts the stream of a command off when its sandbox is paused, and says why", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const sandbox = yield* box()
      const exec = reasonOf(sandbox.exec({ script: scripts.heart }))
      const [reason] = yield* Effect.all(
        [exec, Effect.andThen(beating(sandbox), sandboxes.pause(sandbox.id))],
        {
          concurrency: 2
        }
      )
      yield* same(reason, "Paused", "the reason")
    })
  ),
  define("extends a life", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const { id } = yield* box()
      const before = endOf(yield* sandboxes.info(id))
      yield* sandboxes.extend(id, "20 minutes")
      const gained = endOf(yield* sandboxes.info(id)) - before
      yield* check(
        Math.abs(gained - 900_000) < 60_000,
        `a quarter of an hour should be gained, not ${gained} ms`
      )
    })
  ),
  define("ends a life that nobody extends", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const { id } = yield* sandboxes.launch({ ttl: "1 second" })
      yield* eventually(
        Effect.map(
          Effect.result(sandboxes.info(id)),
          (info) => Result.isFailure(info) && info.failure.reason._tag === "Gone"
        ),
        "the end"
      )
    })
  ),
  define("keeps a sandbox alive for as long as its scope, also under a quiet command", () =>
    Effect.gen(function* () {
      const sandbox = yield* (yield* Sandboxes).create({ ttl: "2 seconds" })
      const { exitCode } = yield* sandbox.exec({ script: scripts.quiet })
      yield* same(exitCode, 0, "the exit code")
    })
  ),
  define("pauses at the end of a life when told so", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const { id } = yield* Effect.acquireRelease(
        sandboxes.launch({ ttl: "1 second", onExpiry: "pause" }),
        (sandbox) => Effect.orDie(sandboxes.terminate(sandbox.id))
      )
      yield* eventually(
        Effect.map(sandboxes.info(id), ({ state }) => state === "paused"),
        "the pause"
      )
    })
  ),
  define("terminates a sandbox with its scope, and twice over without complaint", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const id = yield* Effect.scoped(Effect.map(box(), (sandbox) => sandbox.id))
      yield* same(yield* reasonOf(sandboxes.info(id)), "Gone", "the reason")
      yield* sandboxes.terminate(id)
      yield* sandboxes.terminate(id)
    })
  ),
  define("calls gone what is gone, whatever is asked of it", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const sandbox = yield* box()
      yield* sandboxes.terminate(sandbox.id)
      const questions: ReadonlyArray<Effect.Effect<unknown, SandboxError.SandboxError>> = [
        sandboxes.info(sandbox.id),
        sandboxes.connect(sandbox.id, ttl),
        sandboxes.resume(sandbox.id, ttl),
        sandboxes.pause(sandbox.id),
        sandboxes.extend(sandbox.id, ttl),
        sandbox.exec({ argv: ["true"] }),
        sandbox.files.read("x"),
        sandbox.files.write("x", "y"),
        sandbox.files.list("."),
        sandbox.files.stat(".")
      ]
      for (const question of questions) yield* same(yield* reasonOf(question), "Gone", "the reason")
    })
  ),
  define("says that a command's sandbox is gone when it goes while the command runs", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const sandbox = yield* box()
      const exec = reasonOf(sandbox.exec({ script: scripts.heart }))
      const [reason] = yield* Effect.all(
        [exec, Effect.andThen(beating(sandbox), sandboxes.terminate(sandbox.id))],
        {
          concurrency: 2
        }
      )
      yield* same(reason, "Gone", "the reason")
    })
  ),
  define("makes sandboxes from a snapshot, which neither they nor its sandbox change any more", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const source = yield* box()
      yield* source.files.write("deep/er/kept", "before")
      const { template } = yield* Effect.acquireRelease(sandboxes.snapshot(source.id), (snapshot) =>
        Effect.orDie(sandboxes.removeSnapshot(snapshot.template))
      )
      yield* source.files.write("deep/er/kept", "after")
      yield* same((yield* source.exec({ argv: ["true"] })).exitCode, 0, "the exit code")
      const first = yield* sandboxes.create({ ttl, template })
      yield* same(yield* first.files.readString("deep/er/kept"), "before", "the file")
      yield* first.files.write("deep/er/kept", "changed")
      yield* sandboxes.terminate(source.id)
      const second = yield* sandboxes.create({ ttl, template })
      yield* same(yield* second.files.readString("deep/er/kept"), "before", "the file")
      yield* second.files.write("deep/er/more", "x")
      yield* same((yield* first.files.list("deep/er")).length, 1, "the number of files")
      yield* sandboxes.removeSnapshot(template)
      yield* sandboxes.removeSnapshot(template)
      yield* same(yield* reasonOf(sandboxes.create({ ttl, template })), "InvalidRequest", "the reason")
      yield* same(yield* second.files.readString("deep/er/kept"), "before", "the file")
      yield* same(yield* reasonOf(sandboxes.snapshot(source.id)), "Gone", "the reason")
    })
  ),
  define("tells what happens in a folder that is watched", () =>
    Effect.gen(function* () {
      const { exec, files } = yield* box()
      yield* files.makeDir("watched/sub")
      const [flat, deep] = [new Set<string>(), new Set<string>()]
      yield* Effect.forkScoped(Stream.runForEach(files.watch("watched"), keep(flat)))
      yield* Effect.forkScoped(Stream.runForEach(files.watch("watched", { recursive: true }), keep(deep)))
      // Until both have begun.
      yield* eventually(
        Effect.map(files.write("watched/first", "x"), () =>
          [flat, deep].every((seen) => [...seen].some((event) => event.endsWith(" first")))
        ),
        "the first event"
      )
      yield* files.write("watched/new.txt", "x")
      yield* exec({ script: scripts.append })
      yield* files.rename("watched/new.txt", "watched/moved.txt")
      yield* files.remove("watched/moved.txt")
      yield* files.write("watched/sub/below.txt", "x")
      yield* files.makeDir("watched/last")
      yield* eventually(
        Effect.sync(() => [flat, deep].every((seen) => seen.has("Created last"))),
        "the last event"
      )
      for (const seen of [flat, deep]) {
        for (const event of [
          "Created new.txt",
          "Written new.txt",
          "Renamed new.txt",
          "Created moved.txt",
          "Removed moved.txt"
        ]) {
          yield* check(seen.has(event), `${event} should be told`)
        }
      }
      yield* check(deep.has("Created sub/below.txt"), "what is below a folder should be told")
      yield* check(
        [...flat].every((event) => !event.includes("/")),
        "what is below a folder should not be told unless that was asked for"
      )
    })
  ),
  define("stops watching with its reader and with its sandbox, and watches no folder that is not there", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const sandbox = yield* box()
      const { files } = sandbox
      yield* same(yield* reasonOf(Stream.runDrain(files.watch("nowhere"))), "FileNotFound", "the reason")
      yield* files.makeDir("watched")
      const touching = Effect.forever(
        Effect.andThen(files.write("watched/file", "x"), Effect.sleep("20 millis"))
      )
      yield* Effect.raceFirst(Stream.runDrain(Stream.take(files.watch("watched"), 1)), touching)
      const seen: Array<FileEvent> = []
      const watching = yield* Effect.forkScoped(
        reasonOf(
          Stream.runForEach(files.watch("watched"), (event) => Effect.sync(() => void seen.push(event)))
        )
      )
      yield* eventually(
        Effect.map(files.write("watched/file", "x"), () => seen.length > 0),
        "an event"
      )
      yield* sandboxes.terminate(sandbox.id)
      yield* same(yield* Fiber.join(watching), "Gone", "the reason")
      yield* same(yield* reasonOf(Stream.runDrain(files.watch("watched"))), "Gone", "the reason")
    })
  ),
  define("gives the address of a server in it, or says that it has none", () =>
    Effect.gen(function* () {
      const sandbox = yield* box()
      const first = yield* Effect.result(sandbox.host(8080))
      if (Result.isFailure(first)) return yield* same(first.failure.reason._tag, "Unsupported", "the reason")
      yield* same(yield* reasonOf(sandbox.host(0)), "InvalidRequest", "the reason")
      yield* Effect.forkScoped(Stream.runDrain(sandbox.spawn({ script: scripts.web })))
      const listening = Effect.catchReason(
        sandbox.files.readString("port"),
        "SandboxError",
        "FileNotFound",
        () => Effect.succeed("")
      )
      yield* eventually(
        Effect.map(listening, (port) => port !== ""),
        "the server"
      )
      const { headers, url } = yield* sandbox.host(Number(yield* listening))
      const answer = HttpClient.get(`${url}/some/path?x=y`, {
        headers: Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, Redacted.value(value)])
        )
      }).pipe(
        Effect.flatMap((response) => response.text),
        Effect.orElseSucceed(() => ""),
        Effect.provide(FetchHttpClient.layer)
      )
      yield* eventually(
        Effect.map(answer, (body) => body === "/some/path?x=y"),
        "an answer"
      )
    })
  ),
  define("keeps two sandboxes out of each other's sight", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* box(), yield* box()]
      yield* one.files.write("private.txt", "mine")
      yield* same(yield* reasonOf(other.files.read("private.txt")), "FileNotFound", "the reason")
      const { stdout } = yield* other.exec({ script: scripts.stranger })
      yield* check(!stdout.includes("private.txt"), "a file of another sandbox should not be seen")
    })
  )
]

/** How long the whole suite may reasonably take with a provider that is far away, for the limits of test runners. */
export const timeLimit = Duration.minutes(2)
