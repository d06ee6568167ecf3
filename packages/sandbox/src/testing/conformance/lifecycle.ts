/** Cases for the lifecycle of sandboxes. */
import type { SandboxError } from "@remote-agent/domain"
import { type DateTime, Effect, Result, Stream } from "effect"
import { Sandboxes } from "../../Sandboxes.ts"
import {
  beating,
  box,
  type Case,
  check,
  define,
  eventually,
  reasonOf,
  same,
  scripts,
  ttl,
  uniqueMark
} from "./case.ts"

const endOf = (info: { readonly endsAt: DateTime.Utc }) => info.endsAt.epochMilliseconds

/** Cases for the lifecycle of sandboxes. */
export const cases: ReadonlyArray<Case> = [
  define("lists sandboxes by metadata, over several pages", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const mark = `mark &=%/é ${yield* uniqueMark}`
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
  define("keeps processes and files through a pause, and runs nothing during it", () =>
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
  define("lists only paused sandboxes when asked for them", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const mark = yield* uniqueMark
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
  define("ends the stream of a command with Paused when its sandbox is paused", () =>
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
  define("extends a ttl", () =>
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
  define("ends a sandbox when its ttl ends", () =>
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
  define("pauses a sandbox at the end of its ttl when told so", () =>
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
  define("terminates a sandbox with its scope, and again without failing", () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const id = yield* Effect.scoped(Effect.map(box(), (sandbox) => sandbox.id))
      yield* same(yield* reasonOf(sandboxes.info(id)), "Gone", "the reason")
      yield* sandboxes.terminate(id)
      yield* sandboxes.terminate(id)
    })
  ),
  define("fails with Gone for every operation on a terminated sandbox", () =>
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
  define("ends the stream of a command with Gone when its sandbox is terminated", () =>
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
  define("hides two sandboxes from each other", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* box(), yield* box()]
      yield* one.files.write("private.txt", "mine")
      yield* same(yield* reasonOf(other.files.read("private.txt")), "FileNotFound", "the reason")
      const { stdout } = yield* other.exec({ script: scripts.stranger })
      yield* check(!stdout.includes("private.txt"), "a file of another sandbox should not be seen")
    })
  )
]
