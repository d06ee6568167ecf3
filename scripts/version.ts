/**
 * Turns the changesets into the next version. Writes it into every manifest, into the binary, and into the changelog as a
 * heading above the unreleased lines and one line per changeset. Works in the current folder. Fails if there is no
 * changeset.
 */
import { Schema } from "effect"
import { spawnSync } from "node:child_process"
import { readFile, rm, writeFile } from "node:fs/promises"

const Plan = Schema.fromJsonString(
  Schema.Struct({
    changesets: Schema.Array(Schema.Struct({ summary: Schema.String })),
    releases: Schema.Array(Schema.Struct({ newVersion: Schema.String }))
  })
)

const changeset = (...args: ReadonlyArray<string>): void => {
  const { error, status, stderr, stdout } = spawnSync("changeset", args, { encoding: "utf8" })
  if (status !== 0) throw new Error(`changeset ${args[0]} failed.\n${stdout}${stderr}`, { cause: error })
}

const replaced = async (path: string, change: (text: string) => string): Promise<void> => {
  const before = await readFile(path, "utf8")
  const after = change(before)
  if (after === before)
    throw new Error(`${path} has an unexpected format: the text to replace was not found.`)
  await writeFile(path, after)
}

/** The changelog line of a changeset, without line breaks. */
const lineOf = (summary: string): string => `- ${summary.trim().replaceAll(/\s+/g, " ")}`

/** The changelog with the release, which includes the lines under `Unreleased`. */
const withRelease = (changelog: string, heading: string, lines: ReadonlyArray<string>): string => {
  const [title = "", ...sections] = changelog.trimEnd().split(/\n\n(?=## )/)
  const [first = "", ...rest] = sections
  const [known, older] = first.startsWith("## Unreleased") ? [first, rest] : ["", sections]
  const said = known.replace(/^## .*\n*/, "")
  const all = [...(said === "" ? [] : [said]), ...lines].join("\n")
  return `${[title, `${heading}\n\n${all}`, ...older].join("\n\n")}\n`
}

const planFile = ".changeset/plan.json"
changeset("status", `--output=${planFile}`)
const { changesets, releases } = Schema.decodeSync(Plan)(await readFile(planFile, "utf8"))
await rm(planFile)
const [release] = releases
if (release === undefined) throw new Error("There is no changeset. Write one with `pnpm changeset`.")
const { newVersion } = release
changeset("version")
await replaced("packages/cli/src/version.ts", (text) => text.replace(/"[^"]*"/, JSON.stringify(newVersion)))
const heading = `## ${newVersion} (${new Date().toISOString().slice(0, 10)})`
const lines = changesets.map(({ summary }) => lineOf(summary))
await replaced("CHANGELOG.md", (text) => withRelease(text, heading, lines))
process.stdout.write(`${newVersion}\n`)
