import { Orchestrator } from "@remote-agent/orchestrator"
import { Duration, Effect, type Stdio } from "effect"
import * as App from "../../app/App.ts"
import type { Run } from "../../app/Environment.ts"
import * as Answer from "../../ui/Answer.ts"
import { Screen } from "../../ui/Screen.ts"
import * as Budget from "../shared/budget.ts"
import { command } from "../shared/command.ts"
import { answering, app, budget } from "../shared/flags.ts"
import { asked, read } from "../shared/question.ts"
import * as SandboxEnv from "../shared/sandboxEnv.ts"

/** `ask`. */
export const ask = command({
  name: "ask",
  description: "Launch an agent, ask it one question, and terminate it",
  flags: { ...asked, ...answering, ...budget("the query"), ...app },
  examples: [
    { command: 'remote-agent ask "What was Tesla\'s revenue in 2024?"', description: "Print the answer" },
    {
      command: 'remote-agent ask --json "Compare Apple and Microsoft"',
      description: "Print one JSON document"
    },
    { command: 'cat log | remote-agent ask "Explain this"', description: "About a text that is piped in" }
  ],
  run: Effect.fn("ask")(function* (flags): Run<Stdio.Stdio> {
    const { json, maxSteps, model, timeout } = flags
    const text = yield* read(flags)
    const screen = yield* Screen
    const env = yield* SandboxEnv.parse(flags.env)
    const run = Effect.gen(function* () {
      const { queries } = yield* Orchestrator.Orchestrator
      const result = yield* Effect.result(
        queries.ask(text, {
          env,
          model,
          maxIterations: maxSteps,
          budget: Budget.of(flags),
          timeout: timeout === undefined ? undefined : Duration.seconds(timeout),
          onEvent: (record) =>
            json ? Effect.void : Effect.provideService(Answer.progress(record), Screen, screen)
        })
      )
      // Before the scope closes: it takes a while to delete the sandbox.
      yield* Answer.print(result, json)
    })
    yield* Effect.provide(Effect.scoped(run), App.temporary(flags))
  })
})
