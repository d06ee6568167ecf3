import { assert, describe, it } from "@effect/vitest"
import { RemoteAgentConfig, type Id, type Query } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import {
  AgentRuntime,
  Orchestrator,
  Profiles,
  SqlStateStore,
  StateStore,
  AgentLocks
} from "@remote-agent/orchestrator"
import { LocalSandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { Duration, Effect, Fiber, Layer, Redacted, type Scope, Stream } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { slow } from "../fixtures/slow.ts"
import { newPath } from "../support/storeSupport.ts"
import { said } from "../support/support.ts"
import { byId, type ById } from "../support/byId.ts"

// Real processes and requests: how long they take is up to the machine.
const limit = { timeout: 120_000 }

const fixture = fileURLToPath(import.meta.resolve("../fixtures/client.ts"))

/** This process, over sandboxes that are processes and the same file as the others. */
const layer = (path: string) =>
  Orchestrator.layerNoDeps.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        AgentRuntime.layer,
        Profiles.layerFrom([slow]),
        SqlStateStore.layerSqlite({ path }),
        LocalSandboxes.layer({ isolation: "none" }),
        RemoteAgentConfig.layerFrom({ REMOTE_AGENT_PROFILE: "slow" })
      )
    ),
    // Only how soon others may go on, not whether.
    Layer.provide(Layer.succeed(AgentLocks.Policy, { ttl: Duration.seconds(3), beat: Duration.millis(500) }))
  )

/** Asks in another process until it has been told of so many events, and kills it then. */
const askAndDie = Effect.fnUntraced(function* (path: string, agentId: string, events: number) {
  const { apiKey, url } = yield* E2bServer.E2bServer
  return yield* Effect.callback<ReadonlyArray<string>>((resume) => {
    const child = spawn(process.execPath, [fixture, path, url, agentId, "why?"], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, CLIENT_KEY: Redacted.value(apiKey) }
    })
    const lines: Array<string> = []
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line)
      if (lines.length === events) child.kill("SIGKILL")
    })
    child.on("close", () => resume(Effect.succeed(lines)))
    return Effect.sync(() => void child.kill("SIGKILL"))
  })
})

const whole = [...Array.from({ length: 8 }, (_, index) => `${index} é ${index + 1}`), "8 42"]

/** An agent with a query whose client is dead, and all that its program did in its sandbox. */
interface Scene {
  readonly orchestrator: ById
  readonly id: Id.AgentId
  readonly query: Query.Query
  readonly files: Sandbox.SandboxFiles
}

/** What is left when a client was killed after so many events of its query. */
const afterDeath = <Step extends Effect.Effect<unknown, unknown, Scope.Scope>>(
  events: number,
  test: (scene: Scene) => Generator<Step, void, never>
) =>
  Effect.flatMap(newPath, (path) =>
    Effect.gen(function* () {
      const orchestrator = yield* byId
      const { binding, id } = yield* orchestrator.launch()
      assert(binding !== undefined)
      assert.isAtLeast((yield* askAndDie(path, id, events)).length, events)
      const store = yield* StateStore.StateStore
      const [query] = yield* Stream.runCollect(store.listQueries({ agentId: id }))
      assert(query !== undefined)
      assert.strictEqual(query.status, "running")
      const { sandbox } = yield* (yield* Sandboxes.Sandboxes).connect(binding.sandboxId, "5 minutes")
      yield* Effect.fnUntraced(test)({ orchestrator, id, query, files: sandbox.files })
      yield* orchestrator.terminate(id)
    }).pipe(Effect.scoped, Effect.provide(layer(path)))
  )

describe("a client that is killed in the middle of a query", () => {
  it.live(
    "leaves a query that another process goes on with, every event exactly once",
    () =>
      afterDeath(3, function* ({ files, orchestrator, query }) {
        const following = yield* Effect.forkChild(Stream.runCollect(orchestrator.events(query.id)))
        // The program waits for this, so the client was dead before it ended.
        yield* files.write("work/go", "")
        const log = yield* Fiber.join(following)
        assert.deepStrictEqual(said(log), whole)
        assert.deepStrictEqual(log, yield* Stream.runCollect(orchestrator.events(query.id)))
        assert.strictEqual(yield* files.readString("work/runs"), "run\n")
      }),
    limit
  )

  it.live(
    "leaves a query that another process stops, with its program",
    () =>
      afterDeath(2, function* ({ files, id, orchestrator, query }) {
        assert.strictEqual((yield* orchestrator.cancel(query.id)).outcome, "aborted")
        yield* files.write("work/go", "")
        yield* orchestrator.query(id, "again")
        assert.strictEqual(yield* files.readString("work/runs"), "run\nrun\n")
      }),
    limit
  )
})
