import { describeWhere } from "#test/where"
import { assert, it, vi } from "@effect/vitest"
import { Job, LocalSandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Fiber, Stream } from "effect"
import { inject } from "vitest"
import { awaits, eventually, runningOf } from "../support/jobs.ts"

// Real processes take as long as the machine needs.
vi.setConfig({ testTimeout: 180_000 })

const isolates = inject("isolations").length > 0

/** What a program does that wants to outlive its limits. Each way writes the pids of its processes. */
const escapes = {
  "stops its supervisor": `kill -STOP $PPID; echo $$ >>pids; : >ready; sleep 600`,
  "ignores SIGTERM": `trap '' TERM; echo $$ >>pids; : >ready; sleep 600 & echo $! >>pids; while :; do wait; done`,
  "leaves its session without a mark": `(setsid env -i bash -c 'echo $$ >>pids; sleep 600 & echo $! >>pids; : >ready; wait' &) ; ${awaits("ready")}; kill -STOP $PPID; sleep 600`,
  "says that it has ended": `echo $$ >>pids; printf '%-127s\\n' '0 exited 0 0' >.remote-agent/jobs/it/exit; : >ready; sleep 600`,
  "names itself like the fields of a process": `printf '#!/bin/bash\\necho $$ >>pids; : >ready; while :; do sleep 1; done\\n' >$'x) Z 0\\n1'; chmod +x $'x) Z 0\\n1'; kill -STOP $PPID; (setsid env -i ./$'x) Z 0\\n1' &); sleep 600`
} as const

const provided = Effect.provide(LocalSandboxes.layer())

const sandboxOf = Effect.gen(function* () {
  const sandboxes = yield* Sandboxes.Sandboxes
  return yield* sandboxes.create({ ttl: "10 minutes" })
})

/** Starts the program and waits until it runs as it wants to. */
const begun = (sandbox: Sandbox.Sandbox, script: string) =>
  Effect.gen(function* () {
    const ref = yield* Job.start(sandbox, { script }, { id: "it" })
    yield* eventually(
      Effect.map(sandbox.exec({ argv: ["test", "-e", "ready"] }), ({ exitCode }) => exitCode),
      (code) => code === 0
    )
    assert.isNotEmpty(yield* runningOf(sandbox, "pids"))
    return ref
  })

describeWhere(isolates, "no isolation works here")("a program that resists Job.kill", () => {
  for (const [name, script] of Object.entries(escapes)) {
    it.live(`is killed from outside: one that ${name}`, () =>
      Effect.gen(function* () {
        const sandbox = yield* sandboxOf
        yield* begun(sandbox, script)
        assert.isTrue(yield* Job.forceKill(sandbox, { age: "1 minute" }))
        assert.deepStrictEqual(yield* runningOf(sandbox, "pids"), [])
      }).pipe(Effect.scoped, provided)
    )
  }

  it.live("leaves other commands and older processes alone", () =>
    Effect.gen(function* () {
      const sandbox = yield* sandboxOf
      yield* sandbox.exec({ script: "sleep 600 </dev/null >/dev/null 2>&1 & echo $! >old; disown" })
      const other = yield* Effect.forkChild(
        Stream.runDrain(sandbox.spawn({ script: "sleep 600 & echo $! >others; wait" })),
        { startImmediately: true }
      )
      yield* eventually(
        Effect.map(sandbox.exec({ argv: ["test", "-s", "others"] }), ({ exitCode }) => exitCode),
        (code) => code === 0
      )
      // Older than the job by more than the clocks may differ.
      yield* eventually(
        sandbox.exec({
          script:
            "read -r up _ </proc/uptime; set -- $(cat /proc/$(cat old)/stat); echo $(( ${up%.*} - ${22} / 100 ))"
        }),
        ({ stdout }) => Number(stdout) >= 7
      )
      yield* begun(sandbox, escapes["stops its supervisor"])
      assert.isTrue(yield* Job.forceKill(sandbox, { age: "1 second" }))
      assert.deepStrictEqual(yield* runningOf(sandbox, "pids"), [])
      assert.lengthOf(yield* runningOf(sandbox, "others"), 1)
      assert.lengthOf(yield* runningOf(sandbox, "old"), 1)
      yield* Fiber.interrupt(other)
    }).pipe(Effect.scoped, provided)
  )
})
