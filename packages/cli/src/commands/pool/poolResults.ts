import type { AgentPool } from "@remote-agent/orchestrator"
import { Result } from "effect"
import { toLines } from "../../ui/failureText.ts"
import { plain } from "../../ui/plainText.ts"
import { bold, green, type Output, red } from "../../ui/Screen.ts"

/** A result of a pool for people: the question, and the answer or the reason why there is none. */
export const toText = (output: Output, { index, query, result }: AgentPool.PoolResult): string => {
  const answer = Result.isSuccess(result)
    ? plain(result.success.answer).split("\n")
    : toLines(result.failure).map((text) => red(output, plain(text)))
  return [bold(output, `${index + 1}. ${query}`), ...answer.map((text) => `   ${text}`)].join("\n")
}

/** A summary of all results in one line. */
export const summary = (
  output: Output,
  results: ReadonlyArray<AgentPool.PoolResult>,
  agents: number,
  millis: number
): string => {
  const answered = results.filter(({ result }) => Result.isSuccess(result)).length
  const text = `${answered} of ${results.length} answered by ${agents} agent${agents === 1 ? "" : "s"} in ${(millis / 1000).toFixed(1)} s.`
  return answered === results.length ? green(output, text) : red(output, text)
}
