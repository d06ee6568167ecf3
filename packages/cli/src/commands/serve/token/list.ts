import { Effect } from "effect"
import type { Run } from "../../../app/Environment.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { bold, line, Screen } from "../../../ui/Screen.ts"
import * as Table from "../../../ui/Table.ts"
import { command } from "../../shared/command.ts"
import { state } from "../../shared/flags.ts"
import * as Tokens from "./tokens.ts"

const head = ["ID", "NAME", "SCOPE", "CREATED", "EXPIRES"]

/** `token list`. */
export const list = command({
  name: "token list",
  description: "List the valid tokens of the servers of this state. No secret is shown",
  flags: { state },
  examples: [{ command: "remote-agent token list --json", description: "One JSON document per line" }],
  run: Effect.fn("token list")(function* ({ json, state: location }): Run {
    const { note, out } = yield* Screen
    const all = (yield* Tokens.using({ state: location }, (tokens) => tokens.list)).map(Tokens.documentOf)
    if (all.length === 0) return yield* line(note, "There are no tokens.\n  remote-agent token create")
    if (json) return yield* Effect.forEach(all, (one) => line(out, jsonText(one)), { discard: true })
    const rows = all.map(({ createdAt, expiresAt, id, name, scope }) => [
      id,
      name,
      scope,
      createdAt,
      expiresAt ?? "never"
    ])
    const [first = "", ...body] = Table.render([head, ...rows], Table.widthOf(out))
    yield* line(out, [bold(out, first), ...body].join("\n"))
  })
})
