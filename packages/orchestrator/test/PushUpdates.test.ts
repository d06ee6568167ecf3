import { assert, describe, it } from "@effect/vitest"
import { Agent, Config, GitError, Id } from "@remote-agent/domain"
import type { WebhookEvent } from "@remote-agent/github"
import { Orchestrator, Profiles, PushUpdates, Repositories } from "@remote-agent/orchestrator"
import { DateTime, Deferred, Effect, Fiber, Layer, Option, Stream } from "effect"

const at = DateTime.makeUnsafe(0)

const push = (change: Partial<WebhookEvent.Push> = {}): WebhookEvent.Push => ({
  _tag: "Push",
  repository: { owner: "octo", name: "hello" },
  sender: "octocat",
  ref: "refs/heads/main",
  branch: "main",
  isDefaultBranch: true,
  before: "a",
  after: "b",
  created: false,
  deleted: false,
  forced: false,
  commits: [],
  ...change
})

const agentOf = (url: string, ref?: string) =>
  Effect.map(
    Id.nextAgentId,
    (id) =>
      new Agent.Agent({
        id,
        name: Agent.AgentName.make("coder"),
        profile: "sample",
        status: "active",
        repository: new Agent.Repository({ url, ...(ref === undefined ? {} : { ref }) }),
        revision: 0,
        queryCount: 0,
        createdAt: at,
        updatedAt: at
      })
  )

const url = "https://github.com/octo/hello"

/** Updates of these agents; `pull` is what pulling one does. */
const over = (
  agents: ReadonlyArray<Agent.Agent>,
  pull: (id: Id.AgentId) => Effect.Effect<void, GitError.GitError>
) =>
  PushUpdates.layer.pipe(
    Layer.provide(
      Layer.mergeAll(
        Layer.mock(Orchestrator.Orchestrator, { list: () => Stream.fromIterable(agents) }),
        Profiles.layer(),
        Layer.mock(Repositories.Repositories, {
          status: () => Effect.succeed({ branch: "main", commit: "a", entries: [] }),
          pull: (id) => Effect.as(pull(id), { branch: "main", commit: "b", before: "a" })
        })
      )
    ),
    Layer.provide(Config.layerFrom({}))
  )

const about = (agent: Agent.Agent, change?: Partial<WebhookEvent.Push>) =>
  Option.isSome(PushUpdates.affectedBy(push(change), agent, undefined))

describe("which agents a push is about", () => {
  it.effect("those that track the branch, by any spelling of the repository", () =>
    Effect.gen(function* () {
      const tracking = yield* agentOf(url)
      assert.isTrue(about(tracking))
      assert.isTrue(about(yield* agentOf("https://github.com/Octo/Hello", "main")))
      assert.isFalse(about(tracking, { branch: "other", isDefaultBranch: false }))
      assert.isFalse(about(yield* agentOf(url, "v1")))
      assert.isFalse(about(yield* agentOf("https://github.com/octo/other")))
      assert.isFalse(about(yield* agentOf(url, "main"), { branch: undefined, isDefaultBranch: false }))
    })
  )
})

const delivery = (event: WebhookEvent.Event) => ({ id: "delivery", event, attempt: 1 })

const turns = Effect.yieldNow.pipe(Effect.repeat({ times: 50 }))

describe("PushUpdates", () => {
  it.effect("carries out one push at a time per agent, and of those that wait only the newest", () =>
    Effect.gen(function* () {
      const agent = yield* agentOf(url)
      const gate = yield* Deferred.make<void>()
      let [running, most, pulls] = [0, 0, 0]
      const pull = () =>
        Effect.gen(function* () {
          pulls++
          most = Math.max(most, ++running)
          yield* Deferred.await(gate)
          running--
        })
      yield* Effect.gen(function* () {
        const { handle } = yield* PushUpdates.PushUpdates
        const fibers = yield* Effect.forEach([1, 2, 3, 4, 5], () =>
          Effect.tap(Effect.forkChild(handle(delivery(push()))), () => turns)
        )
        const [first, second, third, fourth, fifth] = fibers
        // The second to fourth are done before the first is: the fifth took their place.
        yield* Effect.forEach([second, third, fourth], (fiber) =>
          fiber === undefined ? Effect.die("not forked") : Fiber.join(fiber)
        )
        assert.strictEqual(pulls, 1)
        yield* Deferred.succeed(gate, undefined)
        yield* Effect.forEach([first, fifth], (fiber) =>
          fiber === undefined ? Effect.die("not forked") : Fiber.join(fiber)
        )
        assert.deepStrictEqual([pulls, most], [2, 1])
      }).pipe(Effect.provide(over([agent], pull)))
    })
  )

  it.effect("tries every agent, four at a time, and fails with those that failed", () =>
    Effect.gen(function* () {
      const agents = yield* Effect.forEach(Array.from({ length: 9 }), () => agentOf(url))
      const [broken] = agents
      let [running, most, pulls] = [0, 0, 0]
      const pull = (id: Id.AgentId) =>
        Effect.gen(function* () {
          pulls++
          most = Math.max(most, ++running)
          yield* turns
          running--
          if (id === broken?.id) {
            return yield* GitError.fail("pull", new GitError.NonFastForward({ branch: "main" }))
          }
        })
      const error = yield* Effect.flatMap(PushUpdates.PushUpdates, ({ handle }) =>
        Effect.flip(handle(delivery(push())))
      ).pipe(Effect.provide(over(agents, pull)))
      assert.deepStrictEqual([pulls, most], [9, 4])
      assert.strictEqual(error._tag, "PushUpdateFailed")
      assert.include(error.message, `1 of 9 agents`)
      assert.include(error.message, broken?.id ?? "?")
    })
  )

  it.effect("does nothing for what is no push to a branch that is there", () =>
    Effect.gen(function* () {
      const agent = yield* agentOf(url)
      const { handle } = yield* PushUpdates.PushUpdates.pipe(
        Effect.provide(over([agent], () => Effect.die("nothing is to be pulled")))
      )
      yield* handle(delivery({ _tag: "Ping", hookId: 1 }))
      yield* handle(delivery(push({ deleted: true })))
      yield* handle(delivery(push({ branch: undefined, isDefaultBranch: false })))
      assert.notStrictEqual(PushUpdates.keyOf(push({ after: "b" })), PushUpdates.keyOf(push({ after: "c" })))
    })
  )
})
