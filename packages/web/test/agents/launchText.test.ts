import { assert, describe, it } from "@effect/vitest"
import { readLabels, readVariables } from "../../src/agents/launch/launchText.ts"

describe("What people write in a launch", () => {
  it("labels are divided by blanks or commas, and need no value", () => {
    assert.deepStrictEqual(readLabels(" team=research, urgent  a=b=c "), {
      team: "research",
      urgent: "",
      a: "b=c"
    })
  })

  it("variables are one a line, and their values may contain anything", () => {
    assert.deepStrictEqual(readVariables("KEY=a = b\n\nOTHER=x,y\r\n"), { KEY: "a = b", OTHER: "x,y" })
  })
})
