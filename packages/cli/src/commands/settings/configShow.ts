import { RemoteAgentConfig } from "@remote-agent/domain"
import { Effect, Option, Result } from "effect"
import type { Run } from "../../app/Environment.ts"
import * as Settings from "../../app/Settings.ts"
import { dim, line, type Output, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"

/** One setting. It never contains the value of a secret. */
export interface Row {
  readonly name: string
  /** The value as it is written. Absent when the setting is not set, and for secrets. */
  readonly value?: string | undefined
  /** Where the value comes from. Absent when the setting is not set. */
  readonly source?: string | undefined
  /** Whether the source has to be trusted before the value is used. */
  readonly needsTrust?: boolean | undefined
  /** The default. */
  readonly fallback: string
  readonly secret: boolean
  readonly expected: string
  readonly description: string
}

interface Found {
  readonly source: string
  /** Absent when the source has to be trusted first. */
  readonly value?: string
}

const found = Effect.fnUntraced(function* (
  name: RemoteAgentConfig.Name,
  sources: ReadonlyArray<Settings.Source>
) {
  for (const source of sources) {
    const text = yield* Effect.result(RemoteAgentConfig.text(name).parse(source.provider))
    if (Result.isFailure(text)) return Option.some<Found>({ source: source.name })
    const { success } = text
    if (Option.isSome(success)) return Option.some<Found>({ source: source.name, value: success.value })
  }
  return Option.none<Found>()
})

/** Every setting and where it comes from. */
const rows = ({ sources }: Settings.Sources): Effect.Effect<ReadonlyArray<Row>> =>
  Effect.forEach(RemoteAgentConfig.names, (name) =>
    Effect.map(found(name, sources), (set): Row => {
      const { describe: description, expected, secret } = RemoteAgentConfig.settings[name]
      return {
        name,
        fallback: RemoteAgentConfig.fallbackText(name),
        secret,
        expected,
        description,
        ...(Option.isSome(set) ? { source: set.value.source } : {}),
        ...(Option.isSome(set) && set.value.value === undefined ? { needsTrust: true } : {}),
        ...(Option.isSome(set) && !secret && set.value.value !== undefined ? { value: set.value.value } : {})
      }
    })
  )

const shown = ({ fallback, needsTrust, secret, source, value }: Row): string => {
  if (needsTrust === true) return "(needs trust)"
  return source === undefined ? fallback : secret ? "(set)" : (value ?? "")
}

const whence = ({ fallback, source }: Row): string =>
  source === undefined ? (fallback === "" ? "not set" : "default") : `from ${source}`

const toText = (output: Output, all: ReadonlyArray<Row>): string => {
  const table = Table.render(
    all.map((row) => [row.name, shown(row), whence(row)]),
    Table.widthOf(output)
  )
  return table.map((text, index) => (all[index]?.source === undefined ? dim(output, text) : text)).join("\n")
}

/** `config show`. */
export const show = command({
  name: "config show",
  at: "machine",
  description: "Show every setting, its value and where it comes from. Keys are never shown",
  flags: {},
  examples: [{ command: "remote-agent config show", description: "The settings in this folder" }],
  run: Effect.fn("config show")(function* ({ json }): Run {
    const { out } = yield* Screen
    const all = yield* rows(yield* Settings.Settings)
    if (json) return yield* Effect.forEach(all, (row) => line(out, jsonText(row)), { discard: true })
    yield* line(out, toText(out, all))
  })
})
