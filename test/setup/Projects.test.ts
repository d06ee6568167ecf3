import { assert, it } from "@effect/vitest"
import { globSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { files, rest, restOnly } from "../../vitest.projects.ts"

const cwd = fileURLToPath(new URL("../../", import.meta.url))
const inNodeModules = (path: string) => path.includes("node_modules")
const found = (pattern: string) => globSync(pattern, { cwd, exclude: inNodeModules }).toSorted()

it("every name of a file in the table is that of one file", () => {
  const named = [files.contract, files.binary, files.faults, files.docs].flatMap(({ include }) => include)
  const wrong = [...named, ...rest].filter(
    (pattern) => !pattern.includes("*.") && found(pattern).length !== 1
  )
  assert.deepStrictEqual(wrong, [])
})

it("every test belongs to one project", () => {
  const owned = Object.values(files).flatMap(({ exclude, include }) => {
    const excluded = new Set(exclude.flatMap(found))
    return include.flatMap(found).filter((path) => !excluded.has(path))
  })
  assert.deepStrictEqual(
    [...owned, ...restOnly.flatMap(found)].toSorted(),
    found("{packages,examples,test}/**/*.test.ts")
  )
})
