/** The vocabulary of the conformance cases: what a case is, and the checks that they share. */
import { Id, SandboxError } from "@remote-agent/domain"
import { Data, Effect, Result, Schedule, type Scope } from "effect"
import type { Sandbox } from "../../Sandbox.ts"
import { Sandboxes } from "../../Sandboxes.ts"

/**
 * The provider does not conform. The message says what it did instead.
 *
 * @category errors
 * @since 0.1.0
 */
export class Nonconforming extends Data.TaggedError("Nonconforming")<{ readonly message: string }> {}

/**
 * One requirement for every provider.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case {
  readonly name: string
  readonly run: Effect.Effect<void, Nonconforming | SandboxError.SandboxError, Sandboxes>
}

/**
 * The scripts of the suite, by name. A provider without a real shell must know what they do; all others run them with
 * bash.
 *
 * @category fixtures
 * @since 0.1.0
 */
export const scripts = {
  both: "echo out; echo err >&2; exit 3",
  input: "cat",
  secret: 'printf %s "$SUITE_SECRET-$SUITE_EXTRA"',
  where: "pwd",
  steps: "for i in 1 2 3; do echo step $i; done",
  // The two bytes of one character, with a pause between them.
  splitUtf8: "printf '\\303'; sleep 0.2; printf '\\251\\n'",
  // A grandchild writes the beats, so that killing only the leader is not enough.
  quiet: "sleep 3",
  heart: "(while :; do date +%s%N >beat; sleep 0.02; done) & wait",
  chatty: "while :; do echo tick; date +%s%N >beat; sleep 0.02; done",
  daemon: "nohup bash -c 'while :; do date +%s%N >beat; sleep 0.02; done' >/dev/null 2>&1 </dev/null &",
  // Writes its port to a file once it listens.
  web: `exec node -e 'const s = require("http").createServer((q, r) => r.end(q.url)).listen(0, "127.0.0.1", () => require("fs").writeFileSync("port", String(s.address().port)))'`,
  append: "echo more >>watched/new.txt",
  stranger: "ls -a ..; ls -a; ls /tmp"
} as const

/** Fails unless a condition holds. */
export const check = (condition: boolean, message: string) =>
  condition ? Effect.void : Effect.fail(new Nonconforming({ message }))

/** Fails unless two values are the same as JSON. */
export const same = (actual: unknown, expected: unknown, what: string) =>
  check(
    JSON.stringify(actual) === JSON.stringify(expected),
    `${what} should be ${JSON.stringify(expected)?.slice(0, 200)} but is ${JSON.stringify(actual)?.slice(0, 200)}`
  )

/** The ttl of the suite's sandboxes. */
export const ttl = "5 minutes"

/** Creates a sandbox that ends with the scope. */
export const box = (
  extra: Readonly<Record<string, string>> = {}
): Effect.Effect<Sandbox, SandboxError.SandboxError, Sandboxes | Scope.Scope> =>
  Effect.flatMap(Sandboxes, (sandboxes) =>
    sandboxes.create({ ttl, metadata: { suite: "conformance", ...extra }, env: {} })
  )

/** A value that is unique to one run of a case. */
export const uniqueMark = Id.nextToken

/** The reason with which an effect fails. An effect that succeeds does not conform. */
export const reasonOf = <A, R>(effect: Effect.Effect<A, SandboxError.SandboxError, R>) =>
  Effect.flatMap(Effect.result(effect), (result) =>
    Result.isFailure(result)
      ? Effect.succeed(result.failure.reason._tag)
      : Effect.fail(new Nonconforming({ message: "it should fail, and does not" }))
  )

const halfMinute = Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 1500 }))

/** Waits until a condition holds, for at most half a minute. */
export const eventually = <R>(
  condition: Effect.Effect<boolean, SandboxError.SandboxError, R>,
  what: string
) =>
  Effect.flatMap(Effect.repeat(condition, { until: (holds) => holds, schedule: halfMinute }), (holds) =>
    check(holds, `${what} should happen, and does not`)
  )

/** The last beat that a process of the sandbox wrote; empty before the first. */
export const beat = (sandbox: Sandbox) =>
  Effect.catchReason(sandbox.files.readString("beat"), "SandboxError", "FileNotFound", () =>
    Effect.succeed("")
  )

/** Waits for the next beat. */
export const beating = (sandbox: Sandbox) =>
  Effect.flatMap(beat(sandbox), (before) =>
    eventually(
      Effect.map(beat(sandbox), (now) => now !== before),
      "a beat of the process"
    )
  )

/** Checks that a process is dead or paused: it does not beat for many intervals. */
export const still = (sandbox: Sandbox) =>
  Effect.gen(function* () {
    const before = yield* Effect.delay(beat(sandbox), "100 millis")
    const after = yield* Effect.delay(beat(sandbox), "200 millis")
    yield* same(after, before, "the beat of a process that should be dead")
  })

/**
 * Every ASCII character that a shell could interpret, and some characters of several bytes.
 *
 * @category fixtures
 * @since 0.1.0
 */
export const awkward =
  Array.from({ length: 126 }, (_, code) => String.fromCharCode(code + 1)).join("") + "é😀\u2028"

/** Defines a case. Its sandboxes end with it. */
export const define = (
  name: string,
  run: () => Effect.Effect<unknown, Nonconforming | SandboxError.SandboxError, Sandboxes | Scope.Scope>
): Case => ({ name, run: Effect.asVoid(Effect.scoped(Effect.suspend(run))) })
