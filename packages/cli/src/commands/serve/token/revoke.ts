import { Effect } from "effect"
import { Argument } from "effect/cli"
import type { Run } from "../../../app/Environment.ts"
import { NotFound } from "../../../ui/Failure.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import { command } from "../../shared/command.ts"
import { state } from "../../shared/flags.ts"
import * as Tokens from "./tokens.ts"

/** `token revoke`. */
export const revoke = command({
  name: "token revoke",
  description: "Revoke a token. Servers refuse it from then on",
  flags: {
    id: Argument.String("id").pipe(Argument.withDescription("The id of the token, as `token list` shows it")),
    state
  },
  examples: [{ command: "remote-agent token revoke tok_...", description: "At once" }],
  run: Effect.fn("token revoke")(function* ({ id, json, state: location }): Run {
    const { out } = yield* Screen
    const found = yield* Tokens.using({ state: location }, (tokens) => tokens.revoke(id))
    if (!found) {
      return yield* new NotFound({
        message: `There is no token ${id}. List tokens with \`remote-agent token list\`.`
      })
    }
    yield* line(out, json ? jsonText({ id, revoked: true }) : `${id} is revoked.`)
  })
})
