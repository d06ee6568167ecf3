import { Agent } from "@remote-agent/domain"
import { Effect, Option, Schema } from "effect"
import { Usage } from "../../ui/Failure.ts"

const decode = Schema.decodeUnknownOption(Agent.AgentName)

/** The name of an agent. Fails with `Usage` for a text that is not a valid name. */
export const parse = (text: string): Effect.Effect<Agent.AgentName, Usage> =>
  Option.match(decode(text), {
    onSome: Effect.succeed,
    onNone: () =>
      new Usage({
        message: `${JSON.stringify(text)} is not a valid name. Names are at most 64 letters, digits, ".", "_" and "-".`
      })
  })
