import { describeWhere } from "#test/where"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Agent, RemoteAgentConfig, GitError, Id, OrchestratorError, Profile } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { GitHub, type WebhookEvent } from "@remote-agent/github"
import {
  AgentRuntime,
  LaunchIntents,
  MemoryStateStore,
  Orchestrator,
  Profiles,
  UpdateOnPush,
  Repositories,
  SampleProfile
} from "@remote-agent/orchestrator"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Context, DateTime, Deferred, Effect, Fiber, Layer, Option, Stream } from "effect"
import * as FakeGitHub from "../../../github/test/support/FakeGitHub.ts"
import { inject } from "vitest"

const isolates = inject("isolations").length > 0

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
type Service = Orchestrator.Orchestrator["Service"]
const unused = {} as Service

const over = (
  agents: ReadonlyArray<Agent.Agent>,
  pull: (id: Id.AgentId) => Effect.Effect<void, GitError.GitError | OrchestratorError.OrchestratorError>
) =>
  UpdateOnPush.layer.pipe(
    Layer.provide(
      Layer.mergeAll(
        Layer.mock(Orchestrator.Orchestrator, {
          ...unused,
          agents: { ...unused.agents, list: () => Stream.fromIterable(agents) }
        }),
        Profiles.layer(),
        Layer.mock(Repositories.Repositories, {
          status: () => Effect.succeed({ branch: "main", commit: "a", entries: [] }),
          pull: (id) => Effect.as(pull(id), { branch: "main", commit: "b", before: "a" })
        })
      )
    ),
    Layer.provide(RemoteAgentConfig.layerFrom({}))
  )

const about = (agent: Agent.Agent, change?: Partial<WebhookEvent.Push>) =>
  Option.isSome(UpdateOnPush.affectedBy(push(change), agent, undefined))

const source = (repository: string, ref = "main") =>
  new Profile.Source({ repository, ref, folder: "{home}/code" })
/** What the push is for, where it is for anything. */
const found = (agent: Agent.Agent, code: Profile.Source, change?: Partial<WebhookEvent.Push>) =>
  Option.getOrUndefined(
    Option.map(UpdateOnPush.affectedBy(push(change), agent, code), ({ pull, update }) => ({
      pull,
      update
    }))
  )

describe("which agents a push is about", () => {
  it.effect("those whose own code is at the branch, and says which of both it is for", () =>
    Effect.gen(function* () {
      const worker = yield* agentOf("https://github.com/octo/other")
      assert.deepStrictEqual(found(worker, source("git@github.com:octo/hello.git")), {
        pull: false,
        update: true
      })
      assert.deepStrictEqual(found(yield* agentOf(url), source(url)), { pull: true, update: true })
      assert.isUndefined(found(worker, source(url, "v1.0.4")))
      assert.isUndefined(found(worker, source(url), { branch: "other", isDefaultBranch: false }))
      assert.isUndefined(found(worker, source("/srv/git/hello")))
    })
  )

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

it.effect("a push under the new name of a repository reaches the agents that know the old one", () =>
  Effect.gen(function* () {
    const [renamed, other] = [yield* agentOf(url), yield* agentOf("https://github.com/octo/other")]
    const pulled: Array<Id.AgentId> = []
    const asked: Array<string> = []
    const layer = over([renamed, other], (id) => Effect.sync(() => void pulled.push(id))).pipe(
      Layer.provide(
        Layer.mock(GitHub.GitHub, {
          repository: ({ name }) =>
            Effect.sync(() => {
              asked.push(name)
              return {
                id: name === "hello" ? 7 : 8,
                owner: "octo",
                name: name === "hello" ? "greeting" : name,
                url,
                cloneUrl: url,
                defaultBranch: "main",
                private: false,
                archived: false
              }
            })
        } as Partial<GitHub.GitHub["Service"]> as GitHub.GitHub["Service"])
      )
    )
    yield* Effect.gen(function* () {
      const { handle } = yield* UpdateOnPush.UpdateOnPush
      const repository = { owner: "octo", name: "greeting" }
      yield* handle(delivery(push({ repository, repositoryId: 7 })))
      yield* handle(delivery(push({ repository, repositoryId: 7 })))
      assert.deepStrictEqual(pulled, [renamed.id, renamed.id])
      assert.deepStrictEqual(asked.toSorted(), ["hello", "other"])
      // Another repository, and one whose id is not known.
      yield* handle(delivery(push({ repository, repositoryId: 9 })))
      yield* handle(delivery(push({ repository })))
      assert.strictEqual(pulled.length, 2)
    }).pipe(Effect.provide(layer))
  })
)

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
        const { handle } = yield* UpdateOnPush.UpdateOnPush
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
      const error = yield* Effect.flatMap(UpdateOnPush.UpdateOnPush, ({ handle }) =>
        Effect.flip(handle(delivery(push())))
      ).pipe(Effect.provide(over(agents, pull)))
      assert.deepStrictEqual([pulls, most], [9, 4])
      assert.strictEqual(error._tag, "PushUpdateFailed")
      assert.include(error.message, `1 of 9 agents`)
      assert.include(error.message, broken?.id ?? "?")
    })
  )

  it.effect("leaves agents that sleep, were ended or live at another provider, and that is no failure", () =>
    Effect.gen(function* () {
      const reasons = [
        (id: Id.AgentId) => new OrchestratorError.AgentPaused({ id }),
        (id: Id.AgentId) => new OrchestratorError.AgentNotReady({ id, status: "terminated" }),
        (id: Id.AgentId) => new OrchestratorError.OtherProvider({ id, provider: "e2b", here: "local" })
      ]
      const agents = yield* Effect.forEach(reasons, () => agentOf(url))
      const refused: Array<string> = []
      const pull = (id: Id.AgentId) =>
        Effect.suspend(() => {
          const reason = reasons[agents.findIndex((agent) => agent.id === id)]?.(id)
          if (reason === undefined) return Effect.void
          refused.push(reason._tag)
          return Effect.fail(new OrchestratorError.OrchestratorError({ operation: "pull", reason }))
        })
      yield* Effect.flatMap(UpdateOnPush.UpdateOnPush, ({ handle }) => handle(delivery(push()))).pipe(
        Effect.provide(over(agents, pull))
      )
      assert.sameMembers(refused, ["AgentPaused", "AgentNotReady", "OtherProvider"])
    })
  )

  it.effect("does nothing for what is no push to a branch that is there", () =>
    Effect.gen(function* () {
      const agent = yield* agentOf(url)
      const { handle } = yield* UpdateOnPush.UpdateOnPush.pipe(
        Effect.provide(over([agent], () => Effect.die("nothing is to be pulled")))
      )
      yield* handle(delivery({ _tag: "Ping", hookId: 1 }))
      yield* handle(delivery(push({ deleted: true })))
      yield* handle(delivery(push({ branch: undefined, isDefaultBranch: false })))
      assert.notStrictEqual(
        UpdateOnPush.keyOf(push({ after: "b" })),
        UpdateOnPush.keyOf(push({ after: "c" }))
      )
    })
  )
})

const answerOf = (answer: string) => ({ "answer.sh": `printf '%s' '${answer}'\n` })

/** An agent whose code is at a repository of a GitHub of ours, in real sandboxes. */
const overRepository = Effect.gen(function* () {
  const github = yield* FakeGitHub.make()
  yield* github.createRepository("octo/agent", { private: false })
  yield* github.commit("octo/agent", "main", answerOf("one"))
  const sample = yield* SampleProfile.make
  const profile = new Profile.Profile({
    ...sample,
    name: "pushed",
    assets: [],
    source: new Profile.Source({
      repository: `${github.url}/octo/agent.git`,
      ref: "main",
      folder: "{home}/code"
    }),
    health: new Profile.ProfileCommand({ argv: ["test", "-f", "{source}/answer.sh"] }),
    run: new Profile.RunSpec({
      ...sample.run,
      argv: ["sh", "{source}/answer.sh"],
      input: "stdin-text",
      protocol: "text"
    })
  })
  const services = yield* Layer.build(
    UpdateOnPush.layer.pipe(
      Layer.provideMerge(Orchestrator.layerNoDeps),
      // It works on no repository, so that none is pulled.
      Layer.provide(Layer.mock(Repositories.Repositories, {})),
      Layer.provideMerge(
        Layer.mergeAll(
          LocalSandboxes.layer(),
          AgentRuntime.layer,
          Profiles.layerFrom([profile]),
          MemoryStateStore.layer,
          LaunchIntents.layerMemory,
          RemoteAgentConfig.layerFrom({})
        )
      )
    )
  )
  return { github, services }
})

describeWhere(isolates, "no isolation works here")("a push to the repository of an agent's own code", () => {
  it.live(
    "has the agent run the new code, unless it is to another branch; and wakes none that sleeps",
    () =>
      Effect.gen(function* () {
        const { github, services } = yield* overRepository
        const orchestrator = Context.get(services, Orchestrator.Orchestrator)
        const sandboxes = Context.get(services, Sandboxes.Sandboxes)
        const { handle } = Context.get(services, UpdateOnPush.UpdateOnPush)
        const agent = yield* orchestrator.agents.launch({ profile: "pushed" })
        const { binding } = agent.record
        assert(binding !== undefined)
        const answer = Effect.map(agent.query("?"), (result) => result.answer)
        const state = Effect.map(sandboxes.info(binding.sandboxId), (info) => info.state)
        const pushed = (text: string, branch = "main") =>
          Effect.gen(function* () {
            const after = yield* github.commit("octo/agent", branch, answerOf(text))
            const repository = { owner: "octo", name: "agent" }
            const isDefaultBranch = branch === "main"
            yield* handle(delivery(push({ repository, branch, isDefaultBranch, after })))
          })
        assert.strictEqual(yield* answer, "one")
        yield* pushed("two")
        assert.strictEqual(yield* answer, "two")
        yield* pushed("other", "next")
        assert.strictEqual(yield* answer, "two")

        yield* agent.pause()
        yield* pushed("three")
        assert.deepStrictEqual([(yield* agent.refresh).status, yield* state], ["paused", "paused"])
        // What it slept through, it has with the next push that finds it awake.
        assert.strictEqual(yield* answer, "two")
        yield* pushed("four")
        assert.strictEqual(yield* answer, "four")

        // Its record does not say so, as when its provider has put it to sleep.
        yield* sandboxes.pause(binding.sandboxId)
        yield* pushed("five")
        assert.deepStrictEqual([(yield* agent.refresh).status, yield* state], ["active", "paused"])
        yield* agent.resume
        yield* agent.update()
        assert.strictEqual(yield* answer, "five")

        yield* agent.terminate
        assert.strictEqual(yield* Context.get(services, E2bServer.E2bServer).live, 0)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    { timeout: 120_000 }
  )
})
