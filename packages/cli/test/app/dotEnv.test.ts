import { assert, describe, it } from "@effect/vitest"
import * as DotEnv from "../../src/app/dotEnv.ts"

const values = (text: string) =>
  Object.fromEntries(DotEnv.parse(text).entries.map(({ name, value }) => [name, value]))

const problems = (text: string) => DotEnv.parse(text).problems.map(({ line, problem }) => [line, problem])

describe("a .env file", () => {
  it("starts a comment only after whitespace", () => {
    assert.deepStrictEqual(
      values(["A=a#b", "B=a #b", "# C=1", "D='a #b'", 'E="a#b" # c', "F=#b", "  export G=1\t# x"].join("\n")),
      { A: "a#b", B: "a", D: "a #b", E: "a#b", F: "", G: "1" }
    )
  })

  it("reads quoted values across lines, with escapes in double quotes only", () => {
    assert.deepStrictEqual(values('A="one\\ntwo"\nB=\'one\\ntwo\'\nC="one\ntwo"\nD=`x`\r\nE=e\r\n'), {
      A: "one\ntwo",
      B: "one\\ntwo",
      C: "one\ntwo",
      D: "x",
      E: "e"
    })
  })

  it("names the line of what is not an assignment and of a quote that is never closed", () => {
    assert.deepStrictEqual(problems('A=1\n\njust words\nB="open\nC=2'), [
      [3, "is not an assignment"],
      [4, "sets B to a value whose quote is never closed"]
    ])
    assert.deepStrictEqual(values('A=1\njust words\nB="open\nC=2'), { A: "1", B: '"open', C: "2" })
    assert.deepStrictEqual(problems("A=it's fine\nB='it\\'s'\n"), [])
  })

  it("finds the name that was meant", () => {
    const known = ["E2B_API_KEY", "GITHUB_TOKEN"]
    assert.strictEqual(DotEnv.meant("E2B_API_KYE", known), "E2B_API_KEY")
    assert.strictEqual(DotEnv.meant("GITHUB_TOKN", known), "GITHUB_TOKEN")
    assert.strictEqual(DotEnv.meant("github_token", known), "GITHUB_TOKEN")
    assert.isUndefined(DotEnv.meant("DATABASE_URL", known))
  })
})
