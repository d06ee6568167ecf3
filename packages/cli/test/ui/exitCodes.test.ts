import { assert, it } from "@effect/vitest"
import { StateStoreError } from "@remote-agent/domain"
import { Effect } from "effect"
import * as ExitCode from "../../src/ui/ExitCode.ts"
import * as Paper from "../support/paper.ts"
import { folder } from "../support/support.ts"

it.effect("a failure of exec or shell itself has a code that no process of theirs has by accident", () =>
  Effect.gen(function* () {
    const cwd = yield* folder
    for (const args of [
      ["exec", "nobody", "--", "true"],
      ["shell", "nobody"],
      ["exec"],
      ["exec", "nobody", "--timeout", "never", "--", "true"]
    ]) {
      assert.strictEqual((yield* Paper.run(args, { cwd })).code, 125, args.join(" "))
    }
    assert.strictEqual((yield* Paper.run(["logs", "nobody"], { cwd })).code, 3)
  })
)

it("a name that is taken is wrong usage", () => {
  const reason = new StateStoreError.NameTaken({ name: "one", id: "agt_1" })
  assert.strictEqual(
    ExitCode.of(new StateStoreError.StateStoreError({ operation: "createAgent", reason })),
    2
  )
})
