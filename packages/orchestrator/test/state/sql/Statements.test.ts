import { assert, describe, it } from "@effect/vitest"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { AgentRuntime, Orchestrator, Profiles, SqlStateStore } from "@remote-agent/orchestrator"
import { MemorySandboxes, type Sandbox } from "@remote-agent/sandbox"
import { Effect, Layer, Stream } from "effect"
import { statementsOf } from "../../support/statements.ts"
import { newPath, openStore } from "../../support/storeSupport.ts"
import { exit, resultLine, tiny } from "../../support/support.ts"
import { byId } from "../../support/byId.ts"

const run = (command: Sandbox.Command) =>
  "script" in command ? undefined : Stream.make(command.argv[0] === "answer" ? resultLine("42") : exit(0))

const layerOn = (path: string) =>
  Orchestrator.layerNoDeps.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        MemorySandboxes.layer({ run }),
        AgentRuntime.layer,
        SqlStateStore.layerSqlite({ path }),
        Layer.provideMerge(
          Profiles.layerFrom([tiny]),
          RemoteAgentConfig.layerFrom({ REMOTE_AGENT_PROFILE: "tiny" })
        )
      )
    )
  )

describe("the number of SQL statements", () => {
  it.live("is at most 5 to open an up-to-date file", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      yield* Effect.scoped(openStore(path))
      const [, seen] = yield* statementsOf(Effect.scoped(openStore(path)))
      assert.isAtMost(seen.length, 5, seen.join("\n"))
    })
  )

  it.live("is at most 18 for a query and its answer", () =>
    Effect.gen(function* () {
      const path = yield* newPath
      yield* Effect.gen(function* () {
        const orchestrator = yield* byId
        const { id } = yield* orchestrator.launch()
        const [{ answer }, seen] = yield* statementsOf(orchestrator.query(id, "why?"))
        assert.strictEqual(answer, "42")
        assert.isAtMost(seen.length, 18, seen.join("\n"))
      }).pipe(Effect.provide(layerOn(path)))
    })
  )
})
