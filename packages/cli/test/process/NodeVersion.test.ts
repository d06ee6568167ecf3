import { assert, describe, it } from "@effect/vitest"
import * as NodeVersion from "../../src/process/NodeVersion.ts"
import manifest from "../../package.json" with { type: "json" }

describe("NodeVersion", () => {
  it("is that of the manifest", () => {
    assert.strictEqual(manifest.engines.node, `>=${NodeVersion.oldest}`)
  })

  it("refuses what is older, and says what to do", () => {
    for (const old of ["20.20.2", "22.18.9", "18.0.0"]) {
      assert.strictEqual(
        NodeVersion.problem(old),
        `Node.js ${old} is too old.\n  Install Node.js ${NodeVersion.oldest} or later.`
      )
    }
    for (const fine of ["22.19.0", "22.20.1", "23.0.0", "26.10.0"]) {
      assert.isUndefined(NodeVersion.problem(fine))
    }
  })
})
