import { assert, describe, it } from "@effect/vitest"
import { type ScriptName, script, withArguments } from "../../src/job/scripts.ts"
import { marker } from "../../src/job/shell.ts"

const names: ReadonlyArray<ScriptName> = [
  "kill",
  "kill-command",
  "launcher",
  "reader",
  "remove",
  "runner",
  "status",
  "supervisor"
]

describe("script", () => {
  for (const name of names) {
    it(`inserts every script that ${name}.sh sources, and leaves out comments`, () => {
      assert.notMatch(script(name), /^\s*(?:#|\. \.\/)/m)
    })
  }

  it("names the variable that marks commands", () => {
    assert.include(script("launcher"), `unset ${marker}\n`)
    assert.include(script("kill-command"), `"${marker}=$2"`)
  })

  it("puts the arguments before the script, quoted", () => {
    assert.strictEqual(withArguments("status", ["it's", 7]), `set -- 'it'\\''s' '7'\n${script("status")}`)
  })
})
