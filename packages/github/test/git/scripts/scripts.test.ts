import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { exitCodes } from "../../../src/git/internal/exitCodes.ts"
import { readScript } from "../../../src/git/scripts/readScript.ts"

const folder = new URL("../../../src/git/scripts/", import.meta.url)
const names = readdirSync(folder).filter((name) => name.endsWith(".sh"))

describe("git's scripts", () => {
  it.effect("are read with the scripts that they include", () =>
    Effect.sync(() => {
      assert.isAbove(names.length, 15)
      for (const name of names) assert.notMatch(readScript(name), /^\. /m, name)
      assert.include(readScript("clone-bundle.sh"), "check_out() {")
    })
  )

  it.effect("have the exit codes that their caller knows", () =>
    Effect.sync(() => {
      const prelude = readFileSync(new URL("prelude.sh", folder), "utf8")
      const codes = [...prelude.matchAll(/^([A-Z_]+)=(\d+)$/gm)].map(([, name = "", code]) => [
        name.toLowerCase().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
        Number(code)
      ])
      assert.deepStrictEqual(Object.fromEntries(codes), { ...exitCodes })
    })
  )
})
