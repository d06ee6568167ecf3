/** Checks that the README of each room allows the imports of its files. Arguments are names of packages; the default is all. */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { violations } from "./RoomCheck.ts"

const root = fileURLToPath(new URL("..", import.meta.url))

const asked = process.argv.slice(2)
const names = asked.length > 0 ? asked : await readdir(join(root, "packages"))

const paths = await Promise.all(
  names.map(async (name) => {
    const folder = `packages/${name}/src`
    const inside = await readdir(join(root, folder), { recursive: true })
    return inside.filter((path) => /(?:\.tsx?|README\.md)$/.test(path)).map((path) => `${folder}/${path}`)
  })
)
const tree = await Promise.all(
  paths
    .flat()
    .map(async (path): Promise<[string, string]> => [path, await readFile(join(root, path), "utf8")])
)

const found = violations(new Map(tree))
process.stdout.write(
  found.length === 0
    ? "Every room is in order.\n"
    : `${found.toSorted().join("\n")}\n${found.length} found.\n`
)
process.exitCode = found.length === 0 ? 0 : 1
