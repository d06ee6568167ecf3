import { assert, it } from "@effect/vitest"
import { wanted } from "../../src/process/colors.ts"

it.each([
  [{}, true, true],
  [{}, false, false],
  [{ TERM: "dumb" }, true, false],
  [{ NO_COLOR: "1" }, true, false],
  [{ NO_COLOR: "" }, true, true],
  [{ NO_COLOR: "1", FORCE_COLOR: "1" }, true, false],
  [{ FORCE_COLOR: "1" }, false, true],
  [{ FORCE_COLOR: "0" }, true, false],
  [{ CLICOLOR_FORCE: "1" }, false, true],
  [{ CLICOLOR_FORCE: "0" }, false, false],
  [{ CLICOLOR: "0" }, true, false]
])("colours with %j on a terminal: %s, are %s", (env, isTerminal, colours) => {
  assert.strictEqual(wanted(env, isTerminal), colours)
})
