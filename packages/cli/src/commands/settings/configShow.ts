import { RemoteAgentConfig } from "@remote-agent/domain"
import { Effect, Option } from "effect"
import type { Run } from "../../ui/Failure.ts"
import { dim, line, type Output, Screen } from "../../ui/Screen.ts"
import * as Settings from "../../app/Settings.ts"
import * as Table from "../../ui/Table.ts"

/** One setting as it stands. The value of a secret is never in it. */
export interface Row {
  readonly name: string
  /** What is set, as it was written; absent when nothing is, or it is a secret. */
  readonly value?: string | undefined
  /** Where it comes from; absent when nothing is set. */
  readonly source?: string | undefined
  /** What holds when nothing is set. */
  readonly fallback: string
  readonly secret: boolean
  readonly expected: string
  readonly description: string
}

const found = Effect.fnUntraced(function* (
  name: RemoteAgentConfig.Name,
  sources: ReadonlyArray<Settings.Source>
) {
  for (const source of sources) {
    const text = yield* RemoteAgentConfig.text(name)
      .parse(source.provider)
      .pipe(Effect.orElseSucceed(Option.none))
    if (Option.isSome(text)) return Option.some({ source: source.name, value: text.value })
  }
  return Option.none<{ readonly source: string; readonly value: string }>()
})

/** Every setting, where it comes from, and what it is. */
export const rows = ({ sources }: Settings.Sources): Effect.Effect<ReadonlyArray<Row>> =>
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
        ...(Option.isSome(set) && !secret ? { value: set.value.value } : {})
      }
    })
  )

const shown = ({ fallback, secret, source, value }: Row): string =>
  source === undefined ? fallback : secret ? "(set)" : (value ?? "")

const whence = ({ fallback, source }: Row): string =>
  source === undefined ? (fallback === "" ? "not set" : "default") : `from ${source}`

const toText = (output: Output, all: ReadonlyArray<Row>): string => {
  const table = Table.render(
    all.map((row) => [row.name, shown(row), whence(row)]),
    output.columns()
  )
  return table.map((text, index) => (all[index]?.source === undefined ? dim(output, text) : text)).join("\n")
}

/** Prints every setting, its value and where it comes from. Secrets are only said to be set. */
export const show = Effect.fn("config show")(function* (flags: { readonly json: boolean }): Run {
  const { out } = yield* Screen
  const all = yield* rows(yield* Settings.sources({}))
  yield* line(out, flags.json ? JSON.stringify({ settings: all }) : toText(out, all))
})
