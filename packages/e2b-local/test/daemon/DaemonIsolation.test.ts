import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger } from "effect"
import { TestClock } from "effect/testing"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as DaemonIsolation from "../../src/daemon/DaemonIsolation.ts"
import { E2bServerError, IsolationUnavailable } from "../../src/E2bServerError.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "e2b-local-test-"))),
  (path) => Effect.promise(() => Fs.rm(path, { recursive: true, force: true }))
)

const unavailable = new E2bServerError({
  operation: "probe",
  reason: new IsolationUnavailable({ detail: "bubblewrap: no answer in 30 seconds", hint: "" })
})

type Wanted = Parameters<Parameters<typeof DaemonIsolation.start>[2]>[0]

/** A host on which the first probes fail. */
const host = (failures: number) => {
  const asked: Array<Wanted> = []
  let left = failures
  const attempt = (kind: Wanted) =>
    Effect.suspend((): Effect.Effect<{ readonly isolation: "bubblewrap" | "none" }, E2bServerError> => {
      asked.push(kind)
      if (kind === "none") return Effect.succeed({ isolation: "none" })
      return left-- > 0 ? Effect.fail(unavailable) : Effect.succeed({ isolation: "bubblewrap" })
    })
  return { asked, attempt }
}

/** Starts a server, and lets the time pass that it waits before it probes again. */
const start = Effect.fnUntraced(function* (folder: string, wanted: Wanted, failures: number) {
  const { asked, attempt } = host(failures)
  const fiber = yield* Effect.forkChild(Effect.result(DaemonIsolation.start(folder, wanted, attempt)))
  // The folder is read by real system calls, so the clock is moved until the end.
  const pass = Effect.andThen(TestClock.adjust("1 second"), TestClock.withLive(Effect.sleep("1 millis")))
  yield* Effect.raceFirst(Effect.forever(pass), Fiber.await(fiber))
  return { asked, result: yield* Fiber.join(fiber) }
})

describe("the isolation of a daemon", () => {
  it.effect("is probed again when it does not work, and what the probe found is logged", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const lines: Array<unknown> = []
      const logger = Logger.layer([Logger.make(({ message }) => void lines.push(message))])
      const { asked, result } = yield* Effect.provide(start(folder, "auto", 1), logger)
      assert.deepStrictEqual(asked, ["auto", "auto"])
      assert.strictEqual(result._tag === "Success" && result.success.isolation, "bubblewrap")
      assert.include(JSON.stringify(lines), "no answer in 30 seconds")
    })
  )

  it.effect("is never given up by a server that had it, unless that is requested", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      // A machine that never isolated serves without, for clients that allow it.
      const first = yield* start(folder, "auto", 100)
      assert.deepStrictEqual(first.asked, ["auto", "auto", "none"])
      yield* start(folder, "auto", 0)
      const { asked, result } = yield* start(folder, "auto", 100)
      assert.isAbove(asked.length, 2)
      assert.notInclude(asked, "none")
      assert.strictEqual(result._tag === "Failure" && result.failure.reason._tag, "IsolationUnavailable")
      const waived = yield* start(folder, "none", 100)
      assert.deepStrictEqual(waived.asked, ["none"])
      assert.deepStrictEqual((yield* start(folder, "auto", 100)).asked.at(-1), "none")
    })
  )
})
