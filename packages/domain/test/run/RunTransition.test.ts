import { assert, describe, it } from "@effect/vitest"
import { type AgentEvent, Id, Run, RunTransition, TokenUsage } from "@remote-agent/domain"
import { DateTime, Duration, Effect, Schema } from "effect"

const at = DateTime.makeUnsafe("2026-03-01T00:00:00Z")
const millis = DateTime.toEpochMillis(at)

const newRun = (spec: Partial<Run.Run> = {}) =>
  new Run.Run({
    id: Id.RunId.make(`run_${"0".repeat(26)}`),
    status: "running",
    profile: "tiny",
    size: 2,
    priority: 0,
    retry: Run.noRetries,
    sealed: true,
    usage: TokenUsage.zero,
    failedBefore: 0,
    launchFailures: 0,
    createdAt: at,
    ...spec
  })

const attempt = {
  agentId: Id.AgentId.make(`agt_${"0".repeat(26)}`),
  queryId: Id.QueryId.make(`qry_${"0".repeat(26)}`)
}

const answered = (outcome: AgentEvent.Outcome, more: object = {}): RunTransition.AttemptEnd => ({
  _tag: "Answered",
  outcome,
  answer: outcome === "ok" ? "42" : "",
  usage: new TokenUsage.TokenUsage({ inputTokens: 1, outputTokens: 2, wallMillis: 3 }),
  ...more
})

/** A run of one question that was started. */
const started = (spec: Partial<Run.Run> = {}) => {
  const { questions, run } = RunTransition.add(newRun({ ...spec, sealed: false }), ["why?"])
  const claimed = RunTransition.claim(new Run.Run({ ...run, sealed: true }), questions[0]!, 0, attempt)
  return claimed
}

const ended = (spec: Partial<Run.Run>, end: RunTransition.AttemptEnd) => {
  const { question, run } = started(spec)
  return RunTransition.finish(run, question, end, at)
}

const retry = new Run.RetryPolicy({
  attempts: 3,
  outcomes: ["crash"],
  delay: Duration.seconds(2),
  maxDelay: Duration.seconds(3)
})

describe("RunTransition", () => {
  it("ends a question with its result and completes the run", () => {
    const { question, run } = ended({}, answered("ok"))
    assert.deepStrictEqual(
      [question.state, question.outcome, question.answer, question.seq],
      ["ended", "ok", "42", 1]
    )
    assert.strictEqual(run.status, "completed")
    assert.deepStrictEqual([run.counts.ok, run.counts.running, run.counts.waiting], [1, 0, 0])
    assert.strictEqual(question.slot, undefined)
  })

  it("tries the outcomes of the policy again, later and later, and then ends the question", () => {
    let changed = ended({ retry }, answered("crash"))
    assert.deepStrictEqual([changed.question.state, changed.question.notBefore], ["waiting", millis + 2000])
    changed = RunTransition.claim(changed.run, changed.question, 1, attempt)
    changed = RunTransition.finish(changed.run, changed.question, answered("crash"), at)
    assert.strictEqual(changed.question.notBefore, millis + 3000)
    changed = RunTransition.claim(changed.run, changed.question, 1, attempt)
    changed = RunTransition.finish(changed.run, changed.question, answered("crash"), at)
    assert.deepStrictEqual([changed.question.state, changed.question.attempts], ["ended", 3])
    assert.deepStrictEqual([changed.run.counts.retried, changed.run.counts.failed], [2, 1])
    assert.strictEqual(ended({ retry }, answered("denied")).question.state, "ended")
  })

  it("puts a question that met a usage limit back until its reset, once, and counts no failure", () => {
    const limitedUntil = DateTime.addDuration(at, "1 hour")
    let changed = ended({ stopAfter: 1 }, answered("error", { limitedUntil }))
    assert.deepStrictEqual([changed.question.notBefore, changed.question.attempts], [millis + 3_600_000, 0])
    assert.deepStrictEqual([changed.run.counts.limited, changed.run.counts.failed], [1, 0])
    changed = RunTransition.claim(changed.run, changed.question, 1, attempt)
    changed = RunTransition.finish(changed.run, changed.question, answered("error", { limitedUntil }), at)
    assert.deepStrictEqual([changed.question.state, changed.run.counts.failed], ["ended", 1])
  })

  it("repeats an attempt that was not started, but not forever", () => {
    let changed = started()
    const end = { _tag: "NotStarted", problem: "gone" } as const
    for (let count = 1; count < 10; count++) {
      changed = RunTransition.finish(changed.run, changed.question, end, at)
      assert.deepStrictEqual([changed.question.state, changed.question.attempts], ["waiting", 0])
      changed = RunTransition.claim(changed.run, changed.question, 0, attempt)
    }
    changed = RunTransition.finish(changed.run, changed.question, end, at)
    assert.deepStrictEqual([changed.question.state, changed.question.outcome], ["ended", "crash"])
  })

  it("stops at the budget and puts the question back", () => {
    const { question, run } = ended({}, answered("aborted", { budgetReached: true }))
    assert.deepStrictEqual([question.state, run.status, run.stopReason], ["waiting", "stopped", "budget"])
    const resumed = RunTransition.resume(at)(run)
    assert.deepStrictEqual([resumed.status, resumed.stopReason], ["running", undefined])
  })

  it("stops after so many failures, counted from the last resume", () => {
    const { questions, run } = RunTransition.add(newRun({ sealed: false, stopAfter: 2 }), [
      "a",
      "b",
      "c",
      "d"
    ])
    let current = run
    const fail = (index: number) => {
      const claimed = RunTransition.claim(current, questions[index]!, 0, attempt)
      current = RunTransition.finish(claimed.run, claimed.question, answered("error"), at).run
    }
    fail(0)
    assert.strictEqual(current.status, "running")
    fail(1)
    assert.deepStrictEqual([current.status, current.stopReason], ["stopped", "failures"])
    current = RunTransition.resume(at)(current)
    fail(2)
    assert.strictEqual(current.status, "running")
    fail(3)
    assert.strictEqual(current.status, "stopped")
  })

  it("tries nothing again in a cancelled run", () => {
    const { question, run } = started({ retry })
    const cancelled = RunTransition.cancel(at)(run)
    const changed = RunTransition.finish(cancelled, question, answered("crash"), at)
    assert.deepStrictEqual([changed.question.state, changed.run.status], ["ended", "cancelled"])
    assert.isTrue(RunTransition.isOver(changed.run))
  })

  it.effect.prop(
    "keeps the counts equal to the states of the questions, whatever happens",
    [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 8 })))],
    ([steps]) =>
      Effect.sync(() => {
        const added = RunTransition.add(newRun({ sealed: false, retry, size: 3, stopAfter: 4 }), [
          "a",
          "b",
          "c",
          "d",
          "e"
        ])
        let run = RunTransition.seal(at)(added.run)
        const questions = [...added.questions]
        const apply = (changed: RunTransition.Changed) => {
          run = changed.run
          questions[changed.question.index] = changed.question
        }
        const finish = (end: RunTransition.AttemptEnd) => {
          const question = questions.find(({ slot }) => slot !== undefined)
          if (question !== undefined) apply(RunTransition.finish(run, question, end, at))
        }
        const actions: ReadonlyArray<() => void> = [
          () => {
            const question = questions.find(({ state }) => state === "waiting")
            if (question !== undefined && RunTransition.isOpen(run))
              apply(RunTransition.claim(run, question, 0))
          },
          () => {
            const question = questions.find(({ state }) => state === "assigned")
            if (question !== undefined) apply(RunTransition.start(run, question, attempt))
          },
          () => finish(answered("ok")),
          () => finish(answered("crash")),
          () => finish(answered("error", { limitedUntil: at })),
          () => finish({ _tag: "NotStarted", problem: "gone" }),
          () => void (run = RunTransition.pause(run)),
          () => void (run = RunTransition.resume(at)(run)),
          () => finish(answered("aborted", { budgetReached: true }))
        ]
        for (const step of steps) actions[step]!()
        const count = (test: (question: Run.Question) => boolean) => questions.filter(test).length
        const { failed, ok, running, total, waiting } = run.counts
        assert.strictEqual(total, questions.length)
        assert.strictEqual(
          waiting,
          count(({ state }) => state === "waiting")
        )
        assert.strictEqual(
          running,
          count(({ state }) => state === "assigned" || state === "started")
        )
        assert.strictEqual(
          ok,
          count(({ outcome, state }) => state === "ended" && outcome === "ok")
        )
        assert.strictEqual(
          failed,
          count(({ outcome, state }) => state === "ended" && outcome !== "ok")
        )
        const seqs = questions.flatMap(({ seq }) => seq ?? []).toSorted((a, b) => a - b)
        assert.deepStrictEqual(
          seqs,
          Array.from({ length: ok + failed }, (_, index) => index + 1)
        )
        assert.strictEqual(run.status === "completed", waiting === 0 && running === 0)
      })
  )
})
