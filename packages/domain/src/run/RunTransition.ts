import { DateTime, Duration } from "effect"
import type { AgentId, QueryId } from "../Id.ts"
import type { Outcome } from "../query/QueryOutcome.ts"
import * as TokenUsage from "../query/TokenUsage.ts"
import { Question, type RetryPolicy, Run, RunCounts, type StopReason } from "./Run.ts"

/**
 * The query of an attempt and the agent that it is put to.
 *
 * @category models
 * @since 0.2.0
 */
export interface Attempt {
  readonly agentId: AgentId
  readonly queryId: QueryId
}

/**
 * How an attempt ended.
 *
 * - `Answered`: its query ended with this result. `limitedUntil` is the reset of a usage limit that the agent met;
 *   `budgetReached` means that the budget of the run ended it.
 * - `NotStarted`: no program was started for it, and none will be.
 *
 * @category models
 * @since 0.2.0
 */
export type AttemptEnd =
  | {
      readonly _tag: "Answered"
      readonly outcome: Outcome
      readonly answer: string
      readonly error?: string | undefined
      readonly usage: TokenUsage.TokenUsage
      readonly limitedUntil?: DateTime.Utc | undefined
      readonly budgetReached?: boolean | undefined
    }
  | { readonly _tag: "NotStarted"; readonly problem: string }

/**
 * A run and one of its questions after a change.
 *
 * @category models
 * @since 0.2.0
 */
export interface Changed {
  readonly run: Run
  readonly question: Question
}

/** How often a question may be handed out without being started before it counts as failed. */
const mostUnstarted = 10

/** How many launches may fail in a row before a run is stopped, without an answer in between. */
const mostLaunchFailures = (size: number) => Math.max(5, 2 * size)

const counted = (run: Run, change: Partial<Record<keyof RunCounts, number>>): RunCounts => {
  const { counts } = run
  const of = (name: keyof RunCounts) => counts[name] + (change[name] ?? 0)
  return new RunCounts({
    total: of("total"),
    waiting: of("waiting"),
    running: of("running"),
    ok: of("ok"),
    failed: of("failed"),
    retried: of("retried"),
    limited: of("limited")
  })
}

/** Whether every question of a run has its result. */
const isComplete = ({ counts, sealed }: Run): boolean =>
  sealed && counts.waiting === 0 && counts.running === 0

const ended = (run: Run, at: DateTime.Utc): Run =>
  isComplete(run) && run.status !== "completed" && run.status !== "cancelled"
    ? new Run({ ...run, status: "completed", endedAt: at })
    : run

/**
 * Whether questions of a run may be started.
 *
 * @category predicates
 * @since 0.2.0
 */
export const isOpen = ({ status }: Run): boolean => status === "running"

/**
 * Whether a run can get no further results.
 *
 * @category predicates
 * @since 0.2.0
 */
export const isOver = ({ counts, status }: Run): boolean =>
  (status === "completed" || status === "cancelled") && counts.running === 0

/**
 * Makes the questions that follow those a run has, and the run with them.
 *
 * @category transitions
 * @since 0.2.0
 */
export const add = (
  run: Run,
  texts: ReadonlyArray<string>
): { readonly run: Run; readonly questions: ReadonlyArray<Question> } => ({
  run: new Run({ ...run, counts: counted(run, { total: texts.length, waiting: texts.length }) }),
  questions: texts.map(
    (text, offset) =>
      new Question({
        index: run.counts.total + offset,
        text,
        state: "waiting",
        attempts: 0,
        unstarted: 0,
        limited: 0,
        notBefore: 0
      })
  )
})

/**
 * Ends the input of a run.
 *
 * @category transitions
 * @since 0.2.0
 */
export const seal =
  (at: DateTime.Utc) =>
  (run: Run): Run =>
    ended(new Run({ ...run, sealed: true }), at)

/**
 * Ends the input of a run whose reader has died. The run continues with the questions that it has.
 *
 * @category transitions
 * @since 0.2.0
 */
export const abandonInput =
  (at: DateTime.Utc) =>
  (run: Run): Run =>
    run.sealed
      ? run
      : seal(at)(
          new Run({
            ...run,
            problem: `The process that read the questions ended after ${run.counts.total} of them.`
          })
        )

/**
 * Pauses a run. A run that is not running stays as it is.
 *
 * @category transitions
 * @since 0.2.0
 */
export const pause = (run: Run): Run =>
  run.status === "running" ? new Run({ ...run, status: "paused" }) : run

/**
 * Resumes a run that is paused or was stopped. `stopAfter` then counts from 0.
 *
 * @category transitions
 * @since 0.2.0
 */
export const resume =
  (at: DateTime.Utc) =>
  (run: Run): Run => {
    if (run.status !== "paused" && run.status !== "stopped") return run
    const { problem: _, stopReason: __, ...rest } = run
    return ended(
      new Run({ ...rest, status: "running", failedBefore: run.counts.failed, launchFailures: 0 }),
      at
    )
  }

/**
 * Cancels a run unless it is over.
 *
 * @category transitions
 * @since 0.2.0
 */
export const cancel =
  (at: DateTime.Utc) =>
  (run: Run): Run =>
    run.status === "completed" || run.status === "cancelled"
      ? run
      : new Run({ ...run, status: "cancelled", sealed: true, endedAt: at })

/**
 * Stops a running run because of a limit.
 *
 * @category transitions
 * @since 0.2.0
 */
export const stop = (run: Run, stopReason: StopReason): Run =>
  run.status === "running" ? new Run({ ...run, status: "stopped", stopReason }) : run

/**
 * Counts a launch of an agent that failed. The run is stopped after several in a row.
 *
 * @category transitions
 * @since 0.2.0
 */
export const launchFailed =
  (problem: string) =>
  (run: Run): Run => {
    const launchFailures = run.launchFailures + 1
    const next = new Run({ ...run, launchFailures, problem })
    return launchFailures >= mostLaunchFailures(run.size) ? stop(next, "launch") : next
  }

/**
 * Assigns a waiting question to a slot. With an attempt it is started at once.
 *
 * @category transitions
 * @since 0.2.0
 */
export const claim = (run: Run, question: Question, slot: number, attempt?: Attempt): Changed => ({
  run: new Run({ ...run, counts: counted(run, { waiting: -1, running: 1 }) }),
  question: new Question({
    ...withoutAttempt(question),
    slot,
    ...(attempt === undefined ? { state: "assigned" as const } : { state: "started" as const, ...attempt })
  })
})

/**
 * Records the attempt of an assigned question before its query is started.
 *
 * @category transitions
 * @since 0.2.0
 */
export const start = (run: Run, question: Question, attempt: Attempt): Changed => ({
  run: run.launchFailures === 0 ? run : new Run({ ...run, launchFailures: 0 }),
  question: new Question({ ...question, state: "started", ...attempt })
})

const withoutAttempt = (question: Question) => {
  const { agentId: _, queryId: __, slot: ___, ...rest } = question
  return rest
}

/** The delay before the attempt that follows `attempts` ended ones. */
const delayOf = ({ delay, maxDelay }: RetryPolicy, attempts: number): number =>
  Math.min(Duration.toMillis(delay) * 2 ** Math.max(0, attempts - 1), Duration.toMillis(maxDelay))

const putBack = (
  run: Run,
  question: Question,
  change: Partial<Question>,
  counts: Partial<Record<keyof RunCounts, number>> = {}
): Changed => ({
  run: new Run({ ...run, counts: counted(run, { running: -1, waiting: 1, ...counts }) }),
  question: new Question({ ...withoutAttempt(question), state: "waiting", ...change })
})

const close = (
  run: Run,
  question: Question,
  result: Pick<Question, "outcome" | "answer" | "error" | "usage" | "attempts" | "unstarted">,
  at: DateTime.Utc
): Changed => {
  const ok = result.outcome === "ok"
  const next = new Run({ ...run, counts: counted(run, { running: -1, [ok ? "ok" : "failed"]: 1 }) })
  const { slot: _, ...rest } = question
  const failed = next.counts.failed - next.failedBefore
  const limit = next.stopAfter !== undefined && !ok && failed >= next.stopAfter
  return {
    run: ended(limit ? stop(next, "failures") : next, at),
    question: new Question({
      ...rest,
      ...result,
      state: "ended",
      seq: next.counts.ok + next.counts.failed,
      endedAt: at
    })
  }
}

/**
 * Records the end of an attempt: the question has its result, or it waits for another attempt.
 *
 * **Details**
 *
 * - An attempt that was not started is repeated, and does not count towards the retry policy.
 * - An attempt that met a usage limit waits for the reset of the limit, once, and is not counted as a failure.
 * - An outcome of the retry policy is tried again after the delay, until the attempts are used up.
 * - At the budget of the run the question waits again and the run is stopped.
 *
 * A cancelled run repeats nothing.
 *
 * @category transitions
 * @since 0.2.0
 */
export const finish = (before: Run, question: Question, end: AttemptEnd, at: DateTime.Utc): Changed => {
  const open = before.status !== "cancelled"
  if (end._tag === "NotStarted") {
    const unstarted = question.unstarted + 1
    return open && unstarted < mostUnstarted
      ? putBack(before, question, { unstarted })
      : close(
          before,
          question,
          {
            outcome: open ? "crash" : "aborted",
            answer: "",
            error: end.problem,
            attempts: question.attempts,
            unstarted
          },
          at
        )
  }
  const { answer, budgetReached, error, limitedUntil, outcome, usage } = end
  const run = new Run({ ...before, launchFailures: 0, usage: TokenUsage.add(before.usage, usage) })
  if (outcome !== "ok" && open) {
    if (budgetReached === true) {
      const { question: waiting, run: put } = putBack(run, question, {})
      return { run: stop(put, "budget"), question: waiting }
    }
    if (limitedUntil !== undefined && question.limited === 0) {
      const notBefore = Math.max(0, DateTime.toEpochMillis(limitedUntil))
      return putBack(run, question, { limited: 1, notBefore }, { limited: 1 })
    }
    const attempts = question.attempts + 1
    if (run.retry.outcomes.includes(outcome) && attempts < run.retry.attempts) {
      const notBefore = DateTime.toEpochMillis(at) + delayOf(run.retry, attempts)
      return putBack(run, question, { attempts, notBefore }, { retried: 1 })
    }
  }
  const { unstarted } = question
  return close(
    run,
    question,
    {
      outcome,
      answer,
      usage,
      unstarted,
      attempts: question.attempts + 1,
      ...(error === undefined ? {} : { error })
    },
    at
  )
}
