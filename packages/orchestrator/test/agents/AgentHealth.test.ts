import { assert, describe, it } from "@effect/vitest"
import { Id, Lease } from "@remote-agent/domain"
import { DateTime, Duration, Option } from "effect"
import * as AgentHealth from "../../src/agents/AgentHealth.ts"

const seconds = 1_900_000_000
const now = seconds * 1000 + 700

const machines: ReadonlyArray<
  readonly [name: string, stdout: string, disk: AgentHealth.Check["status"], clock: string, detail: string]
> = [
  ["both", `free 1048576\nnow ${seconds}\n`, "ok", "ok", "1024 MiB are free."],
  ["no newline at the end", `free 1048576\nnow ${seconds}`, "ok", "ok", "1024 MiB are free."],
  ["lines of a terminal", `free 1048576\r\nnow ${seconds}\r\n`, "ok", "ok", "1024 MiB are free."],
  ["what a shell says first", `Welcome 7\nfree 2048000\nnow ${seconds}\n`, "ok", "ok", "2000 MiB are free."],
  ["just enough", `free 65536\nnow ${seconds}\n`, "ok", "ok", "64 MiB are free."],
  ["less than enough", `free 65535\nnow ${seconds}\n`, "failed", "ok", "63 MiB are free."],
  ["a full disk", `free 0\nnow ${seconds}\n`, "failed", "ok", "0 MiB are free."],
  ["no df", `free \nnow ${seconds}\n`, "skipped", "ok", "The sandbox does not say how much is free."],
  ["a df without a figure", `free -\nnow ${seconds}\n`, "skipped", "ok", "does not say how much"],
  ["no date", "free 1048576\n", "ok", "skipped", "1024 MiB are free."],
  ["a date that does not count", "free 1048576\nnow %s\n", "ok", "skipped", "1024 MiB are free."],
  ["nothing", "", "skipped", "skipped", "does not say how much"],
  ["a clock that is behind", `free 1048576\nnow ${seconds - 31}\n`, "ok", "failed", "1024 MiB are free."],
  ["a clock that is ahead", `free 1048576\nnow ${seconds + 31}\n`, "ok", "failed", "1024 MiB are free."],
  ["a clock that is a little off", `free 1048576\nnow ${seconds - 29}\n`, "ok", "ok", "1024 MiB are free."]
]

const clockOf = (at: number) => AgentHealth.readMachine(`now ${at}`, now)[1].detail

describe("what a sandbox says of its disk and its clock", () => {
  for (const [name, stdout, disk, clock, detail] of machines) {
    it(`${name}: the disk is ${disk}, the clock ${clock}`, () => {
      const checks = AgentHealth.readMachine(stdout, now)
      assert.deepStrictEqual(
        checks.map((check) => [check.name, check.status]),
        [
          ["disk", disk],
          ["clock", clock]
        ]
      )
      assert.include(checks[0].detail, detail)
    })
  }

  it("says how far a clock is off, and not what lies in the reading of it", () => {
    assert.strictEqual(clockOf(seconds - 1), "It agrees with ours.")
    assert.strictEqual(clockOf(seconds - 20), "It differs from ours by 21 s.")
  })
})

const at = DateTime.makeUnsafe(now)

const held = Option.some(
  new Lease.Lease({
    resource: "agent/one",
    holder: "process/one",
    token: 1,
    until: DateTime.add(at, { seconds: 9 })
  })
)

const lives: ReadonlyArray<
  readonly [state: "running" | "paused", left: number, persistent: boolean, status: string, detail: string]
> = [
  ["running", 7200, false, "ok", "Its sandbox ends in 2h, unless it is used before."],
  ["running", 16, false, "ok", "Its sandbox ends in 16s, unless"],
  ["running", 15, false, "failed", "Its sandbox ends in 15s, which is too soon"],
  ["running", -5, false, "failed", "Its sandbox ends now, which"],
  ["running", 15, true, "ok", "Its sandbox is put to sleep in 15s"],
  ["paused", -5, false, "ok", "Its sandbox sleeps until it is woken."]
]

describe("who works with an agent, and how long its sandbox will live", () => {
  for (const [state, left, persistent, status, detail] of lives) {
    it(`${state}, ${left} s left${persistent ? ", put to sleep at its end" : ""}: ${status}`, () => {
      const sandbox = {
        id: Id.SandboxId.make("isandbox"),
        state,
        endsAt: DateTime.add(at, { seconds: left })
      }
      for (const holder of [Option.none(), held]) {
        const check = AgentHealth.life({
          holder,
          sandbox,
          persistent,
          now: at,
          reaction: Duration.seconds(15)
        })
        assert.strictEqual(check.status, status)
        assert.include(check.detail, detail)
        assert.match(check.detail, Option.isSome(holder) ? /^process\/one works with it/ : /^Nobody works/)
      }
    })
  }

  it("cannot be told without a sandbox", () => {
    const known = { persistent: false, now: at, reaction: Duration.seconds(15), sandbox: undefined }
    assert.strictEqual(AgentHealth.life({ ...known, holder: Option.none() }).status, "skipped")
  })
})
