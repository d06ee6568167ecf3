import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { helps } from "../../../../scripts/CommandDocs.ts"
import { messages } from "../../../../scripts/ErrorDocs.ts"
import { refusedIn, refusedInComments } from "../../../../scripts/WordRules.ts"

const root = fileURLToPath(new URL("../../../../", import.meta.url))

/** This page is generated from the help, which is checked at its source. */
const generated = "commands.md"

const read = (name: string) => Effect.promise(() => readFile(join(root, name), "utf8"))

const filesIn = (folder: string, suffix: string) =>
  Effect.promise(async () =>
    (await readdir(join(root, folder), { recursive: true }))
      .filter((name) => name.endsWith(suffix))
      .map((name) => `${folder}/${name}`)
  )

const pages = Effect.gen(function* () {
  const docs = yield* Effect.promise(() => readdir(join(root, "docs")))
  const own = docs.filter((name) => name.endsWith(".md") && name !== generated)
  const packages = yield* Effect.promise(() => readdir(join(root, "packages")))
  const rooms = yield* Effect.forEach(packages, (name) => filesIn(`packages/${name}/src`, "README.md"))
  const names = [
    "README.md",
    "AGENTS.md",
    "bench/README.md",
    ...own.map((name) => `docs/${name}`),
    ...rooms.flat()
  ]
  return yield* Effect.forEach(names, (name) => Effect.map(read(name), (text) => ({ name, text })))
})

/** The table of commands in the README is generated from the help. */
const withoutCommands = (text: string) =>
  text.replace(/<!-- commands -->[^]*<!-- end of commands -->/, (table) => table.replaceAll(/[^\n]/g, ""))

const sources = Effect.gen(function* () {
  const names = yield* Effect.forEach(["domain", "orchestrator", "cli"], (name) =>
    filesIn(`packages/${name}/src`, ".ts")
  )
  return yield* Effect.forEach(names.flat(), (name) => Effect.map(read(name), (text) => ({ name, text })))
})

/** The file and line of a text in the code; the command or the class when no line has it as a whole. */
const placeOf = (
  code: ReadonlyArray<{ readonly name: string; readonly text: string }>,
  text: string,
  otherwise: string
) => {
  for (const { name, text: source } of code) {
    const line = source.split("\n").findIndex((one) => one.includes(text))
    if (line !== -1) return `${name}:${line + 1}`
  }
  return otherwise
}

/** Folders whose comments are checked. `pnpm words` lists the remaining uses in the others. */
const checkedComments = [
  "bench",
  "examples",
  "packages/api",
  "packages/domain",
  "packages/remote-agent",
  "scripts"
]

const isClean = (found: ReadonlyArray<string>) => assert.deepStrictEqual([...new Set(found)], [])

describe("The words", () => {
  it.live("of the documentation are those of the glossary", () =>
    Effect.gen(function* () {
      isClean(
        (yield* pages).flatMap(({ name, text }) =>
          refusedIn(withoutCommands(text)).map(
            ({ found, line, use }) => `${name}:${line}: "${found}"; use: ${use}`
          )
        )
      )
    })
  )

  it.live("of the help are those of the glossary", () =>
    Effect.gen(function* () {
      const code = yield* sources
      const found = (yield* helps).flatMap(({ path, text }) => {
        const lines = text.split("\n")
        return refusedIn(text).map(({ found: word, line, use }) => {
          const cells = (lines[line - 1] ?? "").trim().split(/\s{2,}/)
          const cell = cells.find((one) => one.includes(word)) ?? word
          const place = placeOf(code, cell, `remote-agent ${path.join(" ")} --help`)
          return `${place}: "${word}"; use: ${use}`
        })
      })
      isClean(found)
    })
  )

  it.live("of the messages are those of the glossary", () =>
    Effect.gen(function* () {
      const code = yield* sources
      isClean(
        messages.flatMap(({ error, file, reason, text }) =>
          refusedIn(text).map(({ found, use }) => {
            const own = code.filter(({ name }) => name === file)
            const place = placeOf(own, `case "${reason}"`, placeOf(own, `class ${reason} `, file))
            return `${place}: ${error}.${reason} "${found}"; use: ${use}`
          })
        )
      )
    })
  )

  it.live("of the comments are those of the glossary", () =>
    Effect.gen(function* () {
      const names = yield* Effect.forEach(checkedComments, (folder) => filesIn(folder, ".ts"))
      const own = names.flat().filter((name) => !/\/(?:node_modules|dist)\//.test(name))
      const found = yield* Effect.forEach(own, (name) =>
        Effect.map(read(name), (text) =>
          refusedInComments(text).map(
            ({ found: word, line, use }) => `${name}:${line}: "${word}"; use: ${use}`
          )
        )
      )
      isClean(found.flat())
    })
  )

  it("refuses riddles, and accepts the same in plain words", () => {
    for (const refused of [
      "Told apart from others of the same provider, whose snapshots are not known here.",
      "What a sandbox's failure means for the agent in it: what is confirmed gone is lost.",
      "Takes the turn of an agent and ends what nobody ended: from then on no query of it runs.",
      "Has the next launch of a profile set up anew.",
      'branch "x" has gone apart from its counterpart',
      "Tell all about an agent, its sandbox and its queries; wakes nothing",
      "Ends an agent.",
      "The query was stopped.",
      "The lifetime of a sandbox.",
      "Use `KeptSetUps`."
    ]) {
      assert.isNotEmpty(refusedIn(refused), refused)
    }
    for (const accepted of [
      "Identifies the provider account. Snapshots are visible only within one account. Contains no secret.",
      "Maps a sandbox failure to the agent's state. Only `Gone` marks the agent as lost.",
      "Acquires the agent's lock and closes abandoned queries. No query runs while the lock is held.",
      "Lease duration: how long a lock outlives a process that stopped renewing it.",
      "Invalidates the profile's snapshot; the next launch runs setup again.",
      'branch "x" has diverged from its remote branch',
      "Show details of an agent, its sandbox and its queries. Does not wake it"
    ]) {
      assert.deepStrictEqual(refusedIn(accepted), [], accepted)
    }
  })
})
