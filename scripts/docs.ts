/**
 * Writes the generated documentation: five pages of `docs/`, and the JSON Schemas that are published. With `--check`, it
 * writes nothing and fails when a page is out of date.
 */
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { catalogue } from "./CatalogueDocs.ts"
import { commands } from "./CommandDocs.ts"
import { configuration } from "./ConfigDocs.ts"
import { errors } from "./ErrorDocs.ts"
import { documentSchemas, jsonPage } from "./JsonDocs.ts"
import { settingsSchema } from "./SettingsSchema.ts"

const root = fileURLToPath(new URL("..", import.meta.url))

/** Formats the pages, so that they can be compared with the committed ones. */
const formatted = async (
  pages: Readonly<Record<string, string>>
): Promise<ReadonlyArray<[string, string]>> => {
  const folder = await mkdtemp(join(tmpdir(), "remote-agent-docs-"))
  try {
    const names = Object.keys(pages)
    await copyFile(join(root, ".oxfmtrc.json"), join(folder, ".oxfmtrc.json"))
    await Promise.all(names.map((name) => writeFile(join(folder, name), pages[name] ?? "")))
    const { status, stderr } = spawnSync("oxfmt", names, { cwd: folder, encoding: "utf8" })
    if (status !== 0) throw new Error(`oxfmt failed on the documentation: ${stderr}`)
    return await Promise.all(
      names.map(async (name): Promise<[string, string]> => [name, await readFile(join(folder, name), "utf8")])
    )
  } finally {
    await rm(folder, { recursive: true })
  }
}

const pages = await formatted({
  "catalogue.md": await catalogue(),
  "commands.md": await Effect.runPromise(commands),
  "configuration.md": configuration,
  "errors.md": await errors(),
  "json.md": jsonPage,
  "documents.json": documentSchemas,
  "settings.json": settingsSchema
})

const check = process.argv.includes("--check")
const drifts = await Promise.all(
  pages.map(async ([name, text]) => {
    const place = name.endsWith(".json") ? `packages/remote-agent/schemas/${name}` : `docs/${name}`
    const path = join(root, place)
    if ((await readFile(path, "utf8").catch(() => "")) === text) return []
    if (!check) await writeFile(path, text)
    return [place]
  })
)
const drifted = drifts.flat()

if (check && drifted.length > 0) {
  process.stderr.write(`${drifted.join(", ")}: out of date. Run \`pnpm run docs\`.\n`)
  process.exitCode = 1
} else {
  process.stdout.write(
    drifted.length === 0 ? "The documentation is up to date.\n" : `Written: ${drifted.join(", ")}\n`
  )
}
