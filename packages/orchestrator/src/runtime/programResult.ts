import { type AgentEvent } from "@remote-agent/domain"
import type { Job } from "@remote-agent/sandbox"
import { Duration } from "effect"

/**
 * The time limits of a program.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProgramLimits {
  /** How long it may be silent. */
  readonly idle: Duration.Duration
  /** How long it may run in all. */
  readonly wall: Duration.Duration
  /** How long it may run on after its result. */
  readonly completionGrace: Duration.Duration
}

/**
 * A program that has ended, as its output and its exit tell.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProgramEnd {
  readonly exit: Job.End
  /** The result that the program gave; else that it crashed, with what it had used. */
  readonly result: AgentEvent.ResultEvent
  /** Whether the program gave that result by itself: before one of our signals reached it. */
  readonly concluded: boolean
  /** What the program was retrying when it was last heard of. */
  readonly retrying?: string | undefined
}

const timeout = (
  result: AgentEvent.ResultEvent,
  limit: "idle" | "wall",
  error: string
): AgentEvent.ResultEvent => ({ ...result, outcome: "timeout", answer: "", error, limit })

const tooSlow = (result: AgentEvent.ResultEvent, wall: Duration.Duration, did: string, meanwhile: string) =>
  timeout(
    result,
    "wall",
    `The agent was not done within ${Duration.format(wall)} and ${did}.${meanwhile} Allow the query more time.`
  )

const afterResult = (by: "request" | "idle" | "wall", limits: ProgramLimits): string => {
  switch (by) {
    case "request":
      return `did not end within ${Duration.format(limits.completionGrace)}`
    case "idle":
      return `was silent for ${Duration.format(limits.idle)} without ending`
    case "wall":
      return `had not ended when its ${Duration.format(limits.wall)} were over`
  }
}

/** Where it is not known what the program printed before our signal, its word that it was aborted came after it. */
const isOwn = ({ before }: Job.End & { readonly _tag: "Killed" }, { outcome }: AgentEvent.ResultEvent) =>
  before !== undefined || outcome !== "aborted"

/**
 * The last events of a program: its result, and before it a notice when the program was killed after it had given its
 * result.
 *
 * **Details**
 *
 * A program that one of its time limits killed has the outcome `timeout`, whatever it printed after our signal. A
 * program that calls itself aborted without a signal ran into the time limit that it was told.
 *
 * @category constructors
 * @since 0.1.0
 */
export const programResult = (
  { concluded, exit, result, retrying }: ProgramEnd,
  limits: ProgramLimits
): ReadonlyArray<AgentEvent.AgentEvent> => {
  const meanwhile = retrying === undefined ? "" : ` It was retrying (${retrying}).`
  if (exit._tag === "Killed" && exit.by !== "request" && !(concluded && isOwn(exit, result))) {
    return [
      exit.by === "wall"
        ? tooSlow(result, limits.wall, "was killed", meanwhile)
        : timeout(
            result,
            "idle",
            `The agent was silent for ${Duration.format(limits.idle)} and was killed.${meanwhile} Allow a longer silence (idleTimeout), or find out why it hangs.`
          )
    ]
  }
  const last = result.outcome === "aborted" ? tooSlow(result, limits.wall, "stopped", meanwhile) : result
  if (exit._tag !== "Killed" || !concluded) return [last]
  return [
    {
      type: "notice",
      text: `The agent had given its result, ${afterResult(exit.by, limits)}, and was killed.`,
      limit: "completion"
    },
    last
  ]
}
