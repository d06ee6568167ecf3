import type { OrchestratorError } from "@remote-agent/domain"
import type { Agents } from "@remote-agent/orchestrator"
import { Clock, Effect, Ref, Schedule, type Scope } from "effect"
import { seconds } from "./liveLines.ts"
import { dim, line, type Output } from "./Screen.ts"

/** The stages of a launch in words. */
const words: Record<OrchestratorError.LaunchStage, string> = {
  record: "recording the agent",
  intent: "recording the launch",
  create: "creating its sandbox",
  assets: "copying its files",
  bind: "linking it to its sandbox",
  setup: "running its setup",
  repository: "cloning its repository",
  health: "checking that it can work",
  activate: "activating it"
}

const eraseLine = "\r\u001B[2K"

/** One line per stage with its start time, for pipes and files. */
const plain = (output: Output, began: number): Agents.OnStage =>
  Effect.fnUntraced(function* (stage) {
    const now = yield* Clock.currentTimeMillis
    yield* line(output, `${seconds(now - began).padStart(7)}  ${words[stage]}`)
  })

/** One line that is redrawn ten times a second and erased when the scope closes. */
const live = Effect.fnUntraced(function* (output: Output, began: number) {
  const current = yield* Ref.make<OrchestratorError.LaunchStage | undefined>(undefined)
  const draw = Effect.gen(function* () {
    const stage = yield* Ref.get(current)
    if (stage === undefined) return
    const elapsed = seconds((yield* Clock.currentTimeMillis) - began)
    const text = `${elapsed}  ${words[stage]}`.slice(0, Math.max(0, output.columns() - 1))
    yield* output.write(`${eraseLine}${dim(output, text)}`)
  })
  yield* Effect.acquireRelease(Effect.void, () =>
    Effect.andThen(Ref.set(current, undefined), output.write(eraseLine))
  )
  yield* Effect.forkScoped(Effect.schedule(draw, Schedule.spaced("100 millis")))
  const onStage: Agents.OnStage = (stage) => Effect.andThen(Ref.set(current, stage), draw)
  return onStage
})

/** Shows the stages of a launch: redrawn on a terminal, and as lines elsewhere. */
export const make = Effect.fnUntraced(function* (
  output: Output
): Effect.fn.Return<Agents.OnStage, never, Scope.Scope> {
  const began = yield* Clock.currentTimeMillis
  return output.live ? yield* live(output, began) : plain(output, began)
})
