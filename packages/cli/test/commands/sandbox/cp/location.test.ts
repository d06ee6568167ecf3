import { assert, it } from "@effect/vitest"
import { Option } from "effect"
import { bytesOf, land, nameOf, parse } from "../../../../src/commands/sandbox/cp/location.ts"
import { isPlainName } from "../../../../src/commands/sandbox/cp/tar/safePaths.ts"

it("reads what a side of a copy means", () => {
  assert.deepStrictEqual(parse("-"), { _tag: "Pipe" })
  assert.deepStrictEqual(parse("agent:a/b:c"), { _tag: "There", agent: "agent", path: "a/b:c" })
  assert.deepStrictEqual(parse("agent:"), { _tag: "There", agent: "agent", path: "." })
  for (const path of ["a", "./a:b", "/a:b", "../a:b", ":a"]) {
    assert.deepStrictEqual(parse(path), { _tag: "Here", path })
  }
})

it("knows the names of paths, and names that lead out of a folder", () => {
  assert.deepStrictEqual(["/a/b/", "a", "/", ".", "a/.."].map(nameOf), ["b", "a", "", "", ""])
  assert.deepStrictEqual(["a", "..a", "", ".", "..", "a/b", "a\0"].map(isPlainName), [
    true,
    true,
    false,
    false,
    false,
    false,
    false
  ])
})

const at = (replace: boolean) => ({ _tag: "At" as const, path: "p", replace })

it("has a file take the place of a file, and of nothing else unless forced", () => {
  assert.deepStrictEqual(land("p", "file", "nothing", false), at(false))
  assert.deepStrictEqual(land("p", "file", "file", false), at(false))
  for (const [from, existing] of [
    ["file", "folder"],
    ["folder", "folder"],
    ["folder", "file"]
  ] as const) {
    assert.deepStrictEqual(land("p", from, existing, false), { _tag: "Refused", path: "p", existing })
    assert.deepStrictEqual(land("p", from, existing, true), at(true))
  }
})

it("reads sizes", () => {
  const sizes = ["500", "2K", "3m", "20G", "0", "", "G", "1.5G", "-1"].map((text) =>
    Option.getOrUndefined(bytesOf(text))
  )
  assert.deepStrictEqual(sizes.slice(0, 4), [500, 2048, 3 * 1024 ** 2, 20 * 1024 ** 3])
  assert.deepStrictEqual(sizes.slice(4), [undefined, undefined, undefined, undefined, undefined])
})
