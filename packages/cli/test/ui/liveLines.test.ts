import { assert, describe, it } from "@effect/vitest"
import { RemoteAgentConfig, Id, OrchestratorError, SandboxError, StateStoreError } from "@remote-agent/domain"
import { Duration, Effect, Schema } from "effect"
import * as ExitCode from "../../src/ui/ExitCode.ts"
import { Usage } from "../../src/ui/Failure.ts"
import { toJson, toLines } from "../../src/ui/failureText.ts"
import * as Live from "../../src/ui/liveLines.ts"

const Columns = Schema.Int.check(Schema.isBetween({ minimum: 30, maximum: 200 }))

describe("Live", () => {
  it.effect.prop(
    "draws every agent on one line that fits",
    [Schema.Array(Schema.String), Columns],
    ([questions, columns]) =>
      Effect.sync(() => {
        const view = questions.reduce<Live.View>(
          (before, query, slot) => Live.update(before, { _tag: "Started", slot, index: slot, query }, 0),
          Live.empty
        )
        const lines = Live.render(view, 1500, columns)
        assert.strictEqual(lines.length, questions.length)
        for (const line of lines) {
          assert.isBelow(line.length, columns)
          assert.notMatch(line, /[\r\n]/)
          assert.match(line, / {2}1\.5 s$/)
        }
      })
  )

  it("keeps agents in the order of their slots, whoever speaks first", () => {
    const view = [2, 0, 1].reduce<Live.View>(
      (before, slot) => Live.update(before, { _tag: "Launching", slot }, 0),
      Live.empty
    )
    assert.deepStrictEqual(
      Live.render(view, 0, 80).map((line) => line.slice(0, 7)),
      ["agent 1", "agent 2", "agent 3"]
    )
  })
})

const sandbox = (reason: SandboxError.Reason) => SandboxError.fail("create", reason)
const orchestrator = (reason: OrchestratorError.Reason) =>
  new OrchestratorError.OrchestratorError({ operation: "test", reason })

describe("the exit code", () => {
  const id = Id.AgentId.make(`agt_${Id.ulid(0, [])}`)
  const slow = sandbox(new SandboxError.RequestTimedOut({ after: Duration.seconds(1) }))
  const rows = [
    [new Usage({ message: "x" }), 2],
    [
      new RemoteAgentConfig.ConfigError({
        problems: [new RemoteAgentConfig.Problem({ name: "A", problem: "is bad", hint: "Mend it." })]
      }),
      2
    ],
    [sandbox(new SandboxError.Gone({})), 3],
    [sandbox(new SandboxError.Busy({})), 1],
    [sandbox(new SandboxError.Unauthorized({})), 2],
    [sandbox(new SandboxError.IsolationUnavailable({ hint: "Install it." })), 2],
    [slow, 4],
    [orchestrator(new OrchestratorError.AgentNotFound({ id })), 3],
    [orchestrator(new OrchestratorError.AgentLost({ id })), 3],
    [orchestrator(new OrchestratorError.AgentNotReady({ id, status: "paused" })), 1],
    [orchestrator(new OrchestratorError.AgentNotReady({ id, status: "terminated" })), 3],
    [orchestrator(new OrchestratorError.IsolationRequired({ profile: "x" })), 2],
    [orchestrator(new OrchestratorError.SandboxFailed({ cause: slow })), 4],
    [orchestrator(new OrchestratorError.LaunchFailed({ stage: "create", cause: slow })), 4],
    [
      orchestrator(
        new OrchestratorError.LaunchFailed({
          stage: "setup",
          cause: new OrchestratorError.CommandFailed({ program: "npm", exitCode: 1 })
        })
      ),
      1
    ]
  ] as const

  for (const [failure, code] of rows) {
    it(`is ${code} for ${JSON.stringify(toJson(failure).error.reason)} and says what to do`, () => {
      assert.strictEqual(ExitCode.of(failure), code)
      assert.isAtLeast(toLines(failure).length, failure._tag === "Usage" ? 1 : 2)
      assert.notInclude(toLines(failure).join("\n"), "undefined")
    })
  }

  it("is told line by line, each of what is to be done below the first", () => {
    const failure = new StateStoreError.StateStoreError({
      operation: "import",
      reason: new StateStoreError.InvalidDocument({
        file: "a.json",
        problems: [
          new StateStoreError.DocumentProblem({ path: "one", problem: "is missing" }),
          new StateStoreError.DocumentProblem({ path: "two", problem: "is missing" })
        ]
      })
    })
    assert.deepStrictEqual(toLines(failure), [
      "state store (import): a.json cannot be imported, and nothing was.",
      "  Correct this:",
      "    one is missing.",
      "    two is missing."
    ])
  })
})
