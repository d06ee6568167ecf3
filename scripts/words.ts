/**
 * Lists the refused words in the comments of TypeScript files. Arguments are folders, such as `packages/sandbox`; the
 * default is the whole workspace.
 */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { refusedInComments } from "./WordRules.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const [...asked] = process.argv.slice(2)
const folders = asked.length > 0 ? asked : ["packages", "bench", "examples", "scripts"]

const skipped = /(?:^|\/)(?:node_modules|dist)\//

const paths = await Promise.all(
  folders.map(async (folder) => {
    const names = await readdir(join(root, folder), { recursive: true })
    return names
      .filter((name) => /\.m?ts$/.test(name) && !skipped.test(name))
      .map((name) => join(folder, name))
  })
)
const findings = await Promise.all(
  paths
    .flat()
    .map(async (path) =>
      refusedInComments(await readFile(join(root, path), "utf8")).map(
        ({ found, line, use }) => `${path}:${line}: "${found}"; use: ${use}`
      )
    )
)
const lines = findings.flat().toSorted()
process.stdout.write(`${[...lines, `${lines.length} found.`].join("\n")}\n`)
process.exitCode = lines.length === 0 ? 0 : 1
