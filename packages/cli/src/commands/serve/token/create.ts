import { type Authorization, DurationText } from "@remote-agent/api"
import { Effect, Option, Redacted, Schema } from "effect"
import { Flag } from "effect/cli"
import type { Run } from "../../../app/Environment.ts"
import { Usage } from "../../../ui/Failure.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import { command } from "../../shared/command.ts"
import { NonBlank, state } from "../../shared/flags.ts"
import * as Tokens from "./tokens.ts"

const decodeDuration = Schema.decodeUnknownOption(DurationText.DurationText)

// Not read from the schema, which every start of the binary would load with the whole API.
const scopes = ["read", "run", "admin"] as const satisfies ReadonlyArray<typeof Authorization.Scope.Type>

/** `token create`. */
export const create = command({
  name: "token create",
  description: "Create a token for the servers of this state, and print it once",
  flags: {
    name: Flag.String("name").pipe(
      Flag.withSchema(NonBlank),
      Flag.withDefault("unnamed"),
      Flag.withDescription("The name of its user or program, for the audit")
    ),
    scope: Flag.Literals("scope", scopes).pipe(
      Flag.withDefault("read"),
      Flag.withDescription(
        "Its rights: read; run also launches, queries and terminates; admin also tokens, state and reaper"
      )
    ),
    expires: Flag.String("expires").pipe(
      Flag.withDefault("90d"),
      Flag.withDescription("How long it is valid, such as 12h or 30d; never for ever")
    ),
    state
  },
  examples: [
    {
      command: "remote-agent token create --name ci --scope run --expires 30d",
      description: "Print the token. Only its hash is stored"
    }
  ],
  run: Effect.fn("token create")(function* ({ expires, json, name, scope, state: location }): Run {
    const { note, out } = yield* Screen
    const ttl = expires === "never" ? Option.some(undefined) : decodeDuration(expires)
    if (Option.isNone(ttl)) {
      return yield* new Usage({
        message: `${expires} is not a time. Write it as in --expires 30d, or --expires never.`
      })
    }
    const { record, token } = yield* Tokens.using({ state: location }, (tokens) =>
      tokens.create({ name, scope, ttl: ttl.value })
    )
    if (json) {
      return yield* line(out, jsonText({ ...Tokens.documentOf(record), token: Redacted.value(token) }))
    }
    yield* line(out, Redacted.value(token))
    yield* line(note, `${Tokens.wordsOf(record)}\n  remote-agent token revoke ${record.id}`)
  })
})
