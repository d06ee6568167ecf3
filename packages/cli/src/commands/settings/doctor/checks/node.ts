import { Effect } from "effect"
import { versions } from "node:process"
import * as NodeVersion from "../../../../process/NodeVersion.ts"
import { check, type Checks } from "../Check.ts"

/** Node.js is new enough. */
export const node: Checks = {
  name: "node",
  run: () =>
    Effect.sync(() => {
      const [detail = versions.node, todo] = NodeVersion.problem(versions.node)?.split("\n  ") ?? []
      return [check("node", todo === undefined ? "ok" : "failed", detail, todo)]
    })
}
