import { describeWhere } from "#test/where"
import { assert, describe, it } from "@effect/vitest"
import { AgentPool, Orchestrator } from "@remote-agent/orchestrator"
import { E2bServer } from "@remote-agent/e2b-local"
import { Effect, Layer, Result, Stream } from "effect"
import { LocalSandboxes } from "@remote-agent/sandbox"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { inject } from "vitest"
import { byId } from "../support/byId.ts"

const isolates = inject("isolations").length > 0

// A busy machine starts processes slowly; nothing here depends on how long they take.
const limit = { timeout: 120_000 }

/** The orchestrator of this package over sandboxes that are processes. */
const layer = (options?: LocalSandboxes.Options, settings: Readonly<Record<string, string>> = {}) =>
  Orchestrator.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(LocalSandboxes.layer(options), RemoteAgentConfig.layerFrom(settings)))
  )

const live = Effect.flatMap(E2bServer.E2bServer, (server) => server.live)

/** The answer, or what the agent said instead of one. */
const said = ({ result }: AgentPool.PoolResult): string =>
  Result.match(result, {
    onSuccess: ({ answer }) => answer,
    onFailure: ({ message, reason }) =>
      reason._tag === "QueryFailed" ? `${reason.result.outcome}: ${reason.result.error}` : message
  })

describe("the sample agent in plain processes, where the user waived isolation", () => {
  it.live(
    "answers, and leaves nothing",
    () =>
      Effect.gen(function* () {
        const orchestrator = yield* byId
        assert.include((yield* orchestrator.ask("What was Tesla's revenue in 2024?")).answer, "97,690")
        assert.strictEqual(yield* live, 0)
      }).pipe(Effect.provide(layer({ isolation: "none" }))),
    limit
  )
})

/** Profiles whose code, or whose set-up, needs a host that nobody knows. */
const elsewhere = {
  "code-elsewhere": {
    extends: "sample",
    source: { repository: "https://no-such-host.invalid/a.git", ref: "main", folder: "{home}/code" }
  },
  "set-up-elsewhere": { extends: "sample", egress: { setup: ["no-such-host.invalid"], run: [] } }
}

describe("a launch that needs a host which is not known on this machine", () => {
  it.live(
    "is refused with its name before anything is recorded or created, unless the sandbox has no network",
    () =>
      Effect.gen(function* () {
        const orchestrator = yield* byId
        const seen: Array<string> = []
        for (const profile of Object.keys(elsewhere)) {
          const { reason } = yield* Effect.flip(
            orchestrator.launch({ profile, onStage: (stage) => Effect.sync(() => seen.push(stage)) })
          )
          assert(reason._tag === "NotConfigured", reason._tag)
          assert.deepStrictEqual(
            reason.problems.map(({ name }) => name),
            ["no-such-host.invalid"]
          )
        }
        assert.deepStrictEqual(seen, [])
        assert.lengthOf(yield* Stream.runCollect(orchestrator.list()), 0)
        assert.strictEqual(yield* live, 0)
        const offline = yield* orchestrator.launch({
          profile: "set-up-elsewhere",
          allowInternetAccess: isolates ? false : undefined,
          env: isolates ? {} : { HTTPS_PROXY: "http://127.0.0.1:9" }
        })
        yield* orchestrator.terminate(offline.id)
        assert.strictEqual(yield* live, 0)
      }).pipe(
        Effect.provide(
          layer(isolates ? {} : { isolation: "none" }, { REMOTE_AGENT_PROFILES: JSON.stringify(elsewhere) })
        )
      ),
    limit
  )
})

describeWhere(isolates, "no isolation works here")("a launch from a kept set-up", () => {
  it.live(
    "asks for no host: nothing is fetched for it",
    () =>
      Effect.gen(function* () {
        const { launch, terminate } = yield* byId
        // Behind a proxy, of which this machine knows nothing.
        const first = yield* launch({ env: { HTTPS_PROXY: "http://127.0.0.1:9" } })
        const stages: Array<string> = []
        const second = yield* launch({ onStage: (stage) => Effect.sync(() => stages.push(stage)) })
        assert.notInclude(stages, "setup")
        yield* terminate(first.id)
        yield* terminate(second.id)
        assert.strictEqual(yield* live, 0)
      }).pipe(
        Effect.provide(
          layer(
            {},
            {
              REMOTE_AGENT_PROFILE: "kept",
              REMOTE_AGENT_PROFILES: JSON.stringify({
                kept: { ...elsewhere["set-up-elsewhere"], setup: [{ argv: ["true"] }], cacheable: true }
              })
            }
          )
        )
      ),
    limit
  )
})

describeWhere(isolates, "no isolation works here")("the sample agent in sandboxes on this machine", () => {
  it.live(
    "answers one question from its figures, and leaves nothing",
    () =>
      Effect.gen(function* () {
        const orchestrator = yield* byId
        const types: Array<string> = []
        const result = yield* orchestrator.ask("What was Tesla's revenue in 2024?", {
          onEvent: ({ event }) => Effect.sync(() => types.push(event.type))
        })
        assert.strictEqual(result.outcome, "ok")
        assert.include(result.answer, "97,690")
        assert.strictEqual(types[0], "ready")
        assert.includeMembers(types, ["thinking", "tool_start", "tool_end"])
        assert.strictEqual(types.indexOf("result"), types.length - 1)
        assert.strictEqual(yield* live, 0)
      }).pipe(Effect.provide(layer())),
    limit
  )

  it.live(
    "remembers the turns of a session, and of no other",
    () =>
      Effect.gen(function* () {
        const orchestrator = yield* byId
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { id } = yield* orchestrator.launchScoped()
            const session = "s1"
            yield* orchestrator.query(id, "What was Tesla's revenue in 2024?", { session })
            const { answer } = yield* orchestrator.query(id, "and the year before?", { session })
            assert.include(answer, "2023")
            assert.include(answer, "96,773")
            const { reason } = yield* Effect.flip(
              orchestrator.query(id, "and the year before?", { session: "s2" })
            )
            assert(reason._tag === "QueryFailed")
            assert.strictEqual(reason.result.outcome, "error")
            assert.strictEqual((yield* orchestrator.get(id)).queryCount, 3)
          })
        )
        assert.strictEqual(yield* live, 0)
      }).pipe(Effect.provide(layer())),
    limit
  )

  it.live(
    "answers six questions on three agents, in order",
    () =>
      Effect.gen(function* () {
        const orchestrator = yield* byId
        const texts = ["Tesla", "Apple", "Microsoft", "Amazon", "Alphabet", "the weather"].map(
          (name) => `What was the revenue of ${name} in 2023?`
        )
        const agents = new Set<string>()
        const results = yield* Effect.scoped(
          Effect.gen(function* () {
            const pool = yield* orchestrator.pool({ size: 3 })
            return yield* Stream.runCollect(pool.query(texts))
          })
        )
        for (const { agentId } of results) if (agentId !== undefined) agents.add(agentId)
        assert.isAtMost(agents.size, 3)
        assert.deepStrictEqual(
          results.map(({ query }) => query),
          texts
        )
        const figures = ["96,773", "383,285", "211,915", "574,785", "307,394", "error: "]
        assert.deepStrictEqual(
          results.map((one, index) => said(one).includes(figures[index] ?? "?")),
          texts.map(() => true)
        )
        assert.strictEqual(yield* live, 0)
      }).pipe(Effect.provide(layer())),
    limit
  )

  it.live(
    "takes any question as words, and none as a command",
    () =>
      Effect.gen(function* () {
        const orchestrator = yield* byId
        const awkward = [
          `What was "Tesla's" revenue in '2024'?`,
          "What was Tesla's revenue in 2024? $(touch /tmp/pwned) `id` ; exit 1",
          "What was\nTesla's revenue\r\nin 2024?\n",
          "What was Tesla's revenue in 2024? 🤔 é \u2028 \\ %s {home}",
          `${"z".repeat(100_000)} What was Tesla's revenue in 2024?`,
          "--help",
          ""
        ]
        const results = yield* Effect.scoped(
          Effect.gen(function* () {
            const pool = yield* orchestrator.pool({ size: 2 })
            return yield* Stream.runCollect(pool.query(awkward))
          })
        )
        assert.deepStrictEqual(
          results.map(({ query }) => query),
          awkward
        )
        for (const one of results) {
          const answered = Result.match(one.result, {
            onSuccess: ({ query }) => query,
            onFailure: ({ reason }) => (reason._tag === "QueryFailed" ? reason.result.query : reason._tag)
          })
          assert.strictEqual(answered, one.query)
          assert.match(said(one), /97,690|^error: |^I am a sample agent/)
        }
        assert.include(results.slice(0, 3).map(said).join("\n"), "97,690")
        assert.strictEqual(yield* live, 0)
      }).pipe(Effect.provide(layer())),
    limit
  )

  it.live(
    "tell how they are: program, disk, clock and what is left of their life",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const orchestrator = yield* byId
          const { id } = yield* orchestrator.launchScoped()
          const { checks, healthy } = yield* orchestrator.health(id)
          assert.deepStrictEqual(
            checks.map(({ name, status }) => `${name} ${status}`),
            ["sandbox ok", "program ok", "disk ok", "clock ok", "lease ok", "age ok"],
            JSON.stringify(checks)
          )
          assert.isTrue(healthy)
          const detail = (name: string) => checks.find((check) => check.name === name)?.detail
          assert.match(detail("disk") ?? "", /^\d+ MiB are free\.$/)
          assert.match(detail("lease") ?? "", /^Nobody works with it\. Its sandbox ends in [23]m/)
        })
      ).pipe(Effect.provide(layer())),
    limit
  )

  it.live(
    "leaves nothing when the work is interrupted as soon as an agent is up",
    () =>
      Effect.gen(function* () {
        const orchestrator = yield* byId
        const texts = Array.from({ length: 20 }, () => "What was Tesla's revenue in 2024?")
        const first = yield* Effect.scoped(
          Effect.gen(function* () {
            const pool = yield* orchestrator.pool({ size: 3 })
            return yield* Stream.runCollect(Stream.take(pool.query(texts, { order: "completion" }), 1))
          })
        )
        assert.lengthOf(first, 1)
        assert.strictEqual(yield* live, 0)
      }).pipe(Effect.provide(layer())),
    limit
  )
})
