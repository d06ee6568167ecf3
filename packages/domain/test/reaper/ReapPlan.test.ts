import { assert, describe, it } from "@effect/vitest"
import { Agent, Id, LaunchIntent, AgentLifecycle, ReapPlan, SandboxLabels } from "@remote-agent/domain"
import { DateTime, Duration, Effect, Option, Schema } from "effect"

const now = DateTime.makeUnsafe("2026-06-01T12:00:00Z")
const minutes = (count: number) => DateTime.subtractDuration(now, Duration.minutes(count))
const agentId = (index: number) => Id.AgentId.make(`agt_${Id.ulid(index, [])}`)
const attemptId = (index: number) => Id.AttemptId.make(`att_${Id.ulid(index, [])}`)
const sandboxId = (index: number) => Id.SandboxId.make(`box-${index}`)

const Index = Schema.Literals([0, 1, 2, 3])
const Owner = Schema.Literals(["me", "me", "other"])
const Age = Schema.Literals([-5, 0, 9, 10, 11, 12, 60, 20_000])

/** A small world in which every kind of fact meets every other. */
const World = Schema.Struct({
  sandboxes: Schema.Array(
    Schema.Struct({
      owner: Schema.Literals(["me", "me", "me", "other", "none"]),
      agent: Index,
      attempt: Index,
      age: Age,
      state: Schema.Literals(["running", "paused"]),
      over: Age
    })
  ),
  agents: Schema.Array(
    Schema.Struct({
      status: AgentLifecycle.AgentStatus,
      bound: Schema.Literals([0, 1, 2, 3, 4, "elsewhere", "nowhere"]),
      age: Age
    })
  ).check(Schema.isMaxLength(3)),
  intents: Schema.Array(
    Schema.Struct({
      owner: Owner,
      provider: Schema.Literals(["memory", "memory", "e2b"]),
      agent: Index,
      age: Age
    })
  ).check(Schema.isMaxLength(4)),
  complete: Schema.Boolean,
  gone: Schema.Array(Index),
  removePaused: Schema.Boolean
})

const factsOf = (world: typeof World.Type): ReapPlan.Facts => ({
  now,
  owner: "me",
  provider: "memory",
  sandboxes: world.sandboxes.map((box, index) => ({
    id: sandboxId(index),
    state: box.state,
    startedAt: minutes(box.age),
    endsAt: minutes(box.over),
    metadata:
      box.owner === "none"
        ? { purpose: "somebody's" }
        : {
            [SandboxLabels.ownerKey]: box.owner,
            [SandboxLabels.agentKey]: agentId(box.agent),
            [SandboxLabels.attemptKey]: attemptId(box.attempt)
          }
  })),
  agents: world.agents.map(({ age, bound, status }, index) => {
    const binding = new Agent.Binding({
      sandboxId: sandboxId(typeof bound === "number" ? bound : 0),
      provider: bound === "elsewhere" ? "e2b" : "memory",
      home: "/home/user"
    })
    return new Agent.Agent({
      id: agentId(index),
      name: Agent.AgentName.make("an-agent"),
      profile: "tiny",
      status,
      revision: 0,
      queryCount: 0,
      createdAt: minutes(age),
      updatedAt: minutes(age),
      ...(bound === "nowhere" ? {} : { binding })
    })
  }),
  intents: world.intents.map(
    ({ age, agent, owner, provider }, index) =>
      new LaunchIntent.LaunchIntent({
        attemptId: attemptId(index),
        agentId: agentId(agent),
        owner,
        provider,
        at: minutes(age)
      })
  ),
  complete: world.complete,
  gone: new Set(world.gone.map(sandboxId)),
  grace: Duration.minutes(10),
  createDeadline: Duration.minutes(2),
  retention: Duration.days(7),
  removePaused: world.removePaused
})

const isOlder = (time: DateTime.Utc, than: Duration.Input) =>
  DateTime.toEpochMillis(now) - DateTime.toEpochMillis(time) >= Duration.toMillis(than)

const boundTo = (facts: ReapPlan.Facts, id: Id.SandboxId, ...statuses: ReadonlyArray<string>) =>
  facts.agents.filter(
    ({ binding, status }) =>
      binding?.provider === "memory" && binding.sandboxId === id && statuses.includes(status)
  )

/** The agent that uses a sandbox. */
const holderOf = (facts: ReapPlan.Facts, id: Id.SandboxId) => boundTo(facts, id, "active", "paused")[0]

/** Whether a fact says that a launch may be working on a sandbox. */
const isYoung = (facts: ReapPlan.Facts, sandbox: ReapPlan.Seen, labels: SandboxLabels.SandboxLabels) => {
  // The agent that is bound to it, or else the agent in its labels.
  const launching = boundTo(facts, sandbox.id, "launching").toSorted((a, b) => (a.id < b.id ? 1 : -1))[0]
  const whose = launching?.id ?? labels.agentId
  return (
    !isOlder(sandbox.startedAt, "10 minutes") ||
    facts.intents.some(
      (intent) =>
        (intent.agentId === whose || intent.attemptId === labels.attemptId) &&
        !isOlder(intent.at, "10 minutes")
    ) ||
    facts.agents.some(
      ({ id, status, updatedAt }) =>
        id === whose && status === "launching" && !isOlder(updatedAt, "10 minutes")
    )
  )
}

const runs = { arbitrary: { runs: 1000 } }

const plain = (plan: ReadonlyArray<ReapPlan.Decision>) => plan.map((decision) => ({ ...decision }))

describe("ReapPlan.make", () => {
  it.effect.prop(
    "terminates every orphan past the grace period, and paused sandboxes only where asked",
    [World],
    ([world]) =>
      Effect.sync(() => {
        const facts = factsOf(world)
        const plan = ReapPlan.make(facts)
        for (const sandbox of facts.sandboxes) {
          const [decision, ...more] = plan.filter(
            ({ rule, sandboxId: id }) => id === sandbox.id && rule !== "gone" && rule !== "not-seen"
          )
          assert.deepStrictEqual(more, [], "one decision for each sandbox")
          const labels = Option.getOrUndefined(SandboxLabels.read(sandbox.metadata))
          if (labels === undefined || labels.owner !== "me") {
            assert.strictEqual(decision?.action, "leave-alone")
          } else if (holderOf(facts, sandbox.id) !== undefined) {
            const slept = sandbox.state === "paused" && isOlder(sandbox.endsAt, "7 days")
            assert.strictEqual(decision?.rule, slept ? "expired-paused" : "bound")
            assert.strictEqual(decision?.action, slept && world.removePaused ? "terminate" : "leave-alone")
          } else {
            const young = isYoung(facts, sandbox, labels)
            assert.strictEqual(decision?.action, young ? "leave-alone" : "terminate", decision?.rule)
          }
        }
      }),
    runs
  )

  it.effect.prop(
    "computes the same plan for any order of the facts",
    [World],
    ([world]) =>
      Effect.sync(() => {
        const facts = factsOf(world)
        const turned = {
          ...facts,
          sandboxes: facts.sandboxes.toReversed(),
          agents: facts.agents.toReversed(),
          intents: facts.intents.toReversed()
        }
        assert.deepStrictEqual(plain(ReapPlan.make(facts)), plain(ReapPlan.make(facts)))
        assert.deepStrictEqual(plain(ReapPlan.make(turned)), plain(ReapPlan.make(facts)))
      }),
    runs
  )

  it.effect.prop(
    "marks agents as lost only when the provider confirmed it, and concludes nothing from an incomplete list",
    [World],
    ([world]) =>
      Effect.sync(() => {
        const facts = factsOf({ ...world, complete: false })
        const cut = ReapPlan.make(facts)
        assert.isFalse(cut.some(({ rule }) => rule === "gone" || rule === "never-created"))
        for (const decision of ReapPlan.make({ ...facts, complete: true })) {
          if (decision.action !== "mark-lost") continue
          assert(decision.sandboxId !== undefined)
          assert.isTrue(facts.gone.has(decision.sandboxId))
          assert.isFalse(facts.sandboxes.some(({ id }) => id === decision.sandboxId))
        }
      }),
    runs
  )

  it.effect.prop(
    "keeps every intent that is young, of another owner, or of a sandbox that still exists",
    [World],
    ([world]) =>
      Effect.sync(() => {
        const facts = factsOf(world)
        for (const { action, attemptId: attempt, rule } of ReapPlan.make(facts)) {
          if (action !== "forget") continue
          const intent = facts.intents.find((one) => one.attemptId === attempt)
          assert(intent !== undefined)
          assert.strictEqual(`${intent.owner} ${intent.provider}`, "me memory")
          assert.isTrue(isOlder(intent.at, rule === "settled" ? "10 minutes" : "12 minutes"))
          const boxes = facts.sandboxes.filter(({ metadata }) => {
            const labels = Option.getOrUndefined(SandboxLabels.read(metadata))
            return labels?.owner === "me" && labels.attemptId === attempt
          })
          assert.strictEqual(
            boxes.some(({ id }) => holderOf(facts, id) !== undefined),
            rule === "settled"
          )
          if (rule === "never-created") assert.deepStrictEqual(boxes, [])
        }
      }),
    runs
  )

  it.effect.prop(
    "keeps every launch that is young, renewed, or still waiting for its sandbox",
    [World],
    ([world]) =>
      Effect.sync(() => {
        const facts = factsOf(world)
        const plan = ReapPlan.make(facts)
        for (const { action, agentId: id, rule, sandboxId: sandbox } of plan) {
          const agent = facts.agents.find((one) => one.id === id)
          if (agent === undefined || rule !== "abandoned-launch") continue
          assert.strictEqual(agent.status, "launching")
          assert.isTrue(agent.binding === undefined || agent.binding.sandboxId === sandbox)
          assert.isTrue(isOlder(agent.updatedAt, "10 minutes"))
          assert.isFalse(
            facts.intents.some((intent) => intent.agentId === id && !isOlder(intent.at, "10 minutes"))
          )
          if (action === "terminate") continue
          assert.isTrue(world.complete)
          const open = facts.intents.filter((intent) => intent.agentId === id)
          assert.isTrue(open.every(({ owner, provider }) => `${owner} ${provider}` === "me memory"))
          assert.isTrue(
            [agent.updatedAt, ...open.map(({ at }) => at)].every((at) => isOlder(at, "12 minutes"))
          )
        }
      }),
    runs
  )

  it.effect.prop("explains each decision in one line", [World], ([world]) =>
    Effect.sync(() => {
      for (const { reason } of ReapPlan.make(factsOf(world))) assert.match(reason, /^\S[^\n]*\.$/)
    })
  )
})

describe("ReapPlan.ofSandbox", () => {
  it.effect.prop("decides what the whole plan decides", [World], ([world]) =>
    Effect.sync(() => {
      const facts = factsOf(world)
      const plan = plain(ReapPlan.make(facts))
      for (const sandbox of facts.sandboxes) {
        assert.deepInclude(plan, { ...ReapPlan.ofSandbox(facts, sandbox) })
      }
    })
  )
})
