import { Effect } from "effect"
import type { Run } from "../../app/Environment.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { version as current } from "../../version.ts"
import { command } from "../shared/command.ts"

/** `version`. */
export const version = command({
  name: "version",
  at: "machine",
  description: "Print the version, like --version",
  flags: {},
  examples: [{ command: "remote-agent version --json", description: "For programs" }],
  run: Effect.fn("version")(function* ({ json }): Run {
    const { out } = yield* Screen
    yield* line(out, json ? jsonText({ version: current }) : current)
  })
})
