import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Screen, Redaction } from "@remote-agent/cli"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { StateOwner } from "@remote-agent/orchestrator"
import { Effect, FileSystem, Layer } from "effect"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Settings from "../../src/app/Settings.ts"
import * as State from "../../src/app/State.ts"
import { host } from "../support/host.ts"
import { folder } from "../support/support.ts"

const world = (cwd: string, env: Readonly<Record<string, string>>) =>
  Layer.mergeAll(
    NodeServices.layer,
    Layer.succeed(Redaction.Redaction, Redaction.make()),
    Layer.succeed(Screen.Screen, { out: Screen.silent, err: Screen.silent, note: Screen.silent }),
    host(cwd, env)
  )

/** Whom the settings say the sandboxes belong to, and whom the state was made for. */
const owners = Effect.fnUntraced(function* (cwd: string, env: Readonly<Record<string, string>> = {}) {
  return yield* Effect.gen(function* () {
    const { REMOTE_AGENT_OWNER: settings } = yield* RemoteAgentConfig.RemoteAgentConfig
    return { settings, state: yield* StateOwner.StateOwner }
  }).pipe(Effect.provide(State.layer({}).pipe(Layer.provide(Settings.layer), Layer.provide(world(cwd, env)))))
})

const name = "REMOTE_AGENT_OWNER"

describe("the state of a command", () => {
  it.live("gives its owner to settings that name none, which an empty one does not", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      const first = yield* owners(cwd)
      assert.strictEqual(first.settings, first.state)
      assert.deepStrictEqual(yield* owners(cwd, { [name]: "" }), first)
      assert.deepStrictEqual(yield* owners(cwd, { [name]: "mine" }), { ...first, settings: "mine" })
      yield* Effect.promise(() => writeFile(join(cwd, "remote-agent.json"), `{ "${name}": "theirs" }`))
      const trusted = yield* owners(cwd, { REMOTE_AGENT_TRUST: cwd })
      assert.deepStrictEqual(trusted, { ...first, settings: "theirs" })
    })
  )

  it.live("is not opened when the settings are wrong", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      yield* Effect.promise(() => writeFile(join(cwd, "remote-agent.json"), "{,}"))
      const failure = yield* Effect.flip(owners(cwd, { DEXTER_MAX_STEPS: "0" }))
      assert.isTrue(failure._tag === "ConfigError")
      if (failure._tag !== "ConfigError") return
      assert.deepStrictEqual(
        failure.problems.map((problem) => problem.name),
        ["remote-agent.json:1:2", "DEXTER_MAX_STEPS"]
      )
      const fs = yield* FileSystem.FileSystem
      assert.isFalse(yield* fs.exists(join(cwd, "data")))
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
