import { type Agent, type Id, type OrchestratorError, type Profile } from "@remote-agent/domain"
import { GitHub, type GitHubModel, type WebhookReceiver, WebhookEvent } from "@remote-agent/github"
import { Context, Deferred, Effect, Layer, Metric, Option, Result, Schema, Semaphore, Stream } from "effect"
import { Orchestrator } from "../Orchestrator.ts"
import { Profiles } from "../profiles/Profiles.ts"
import * as RenamedRepository from "./renamedRepository.ts"
import { Repositories } from "./Repositories.ts"

/**
 * The effect of a push on an agent: its working tree is pulled, its program is updated, or both.
 *
 * @category models
 * @since 0.1.0
 */
export interface Affected {
  readonly agent: Agent.Agent
  readonly pull: boolean
  readonly update: boolean
}

/**
 * The outcome for an agent. `Overtaken`: a newer push replaced this one while it waited. `Skipped`: the agent is paused,
 * works on another branch, or belongs to another provider.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = "Updated" | "Unchanged" | "Overtaken" | "Skipped" | "Failed"

/**
 * Some agents could not be updated. The push may be delivered again.
 *
 * @category errors
 * @since 0.1.0
 */
export class PushUpdateFailed extends Schema.TaggedError<PushUpdateFailed>()("PushUpdateFailed", {
  repository: Schema.String,
  branch: Schema.String,
  /** The number of agents that the push concerned. */
  agents: Schema.Int,
  failures: Schema.NonEmptyArray(Schema.Struct({ agentId: Schema.String, message: Schema.String }))
}) {
  override get message() {
    const all = this.failures.map(({ agentId, message }) => `${agentId}: ${message}`).join(" ")
    return `${this.failures.length} of ${this.agents} agents could not be brought to ${this.branch} of ${this.repository}. ${all}`
  }

  /** Another delivery of the push updates the rest. */
  get isRetryable(): boolean {
    return true
  }
}

/**
 * Keeps agents at the newest commit of the branch that they track.
 *
 * @category services
 * @since 0.1.0
 */
export class UpdateOnPush extends Context.Service<
  UpdateOnPush,
  {
    /**
     * Updates every agent that a delivery concerns. Deliveries other than pushes to a branch concern none. Of several
     * pushes that wait for the same agent, only the newest is carried out. A paused agent is not woken: the next push
     * that finds it awake updates it. Fails after all agents were tried, when some failed.
     */
    readonly handle: (
      delivery: WebhookReceiver.Delivery
    ) => Effect.Effect<void, PushUpdateFailed | OrchestratorError.OrchestratorError>
  }
>()("@remote-agent/orchestrator/UpdateOnPush") {}

/**
 * The key of an event for `WebhookReceiver`. Every push has its own key, so that a newer push can overtake pushes that
 * wait. Other events keep their order.
 *
 * @category keys
 * @since 0.1.0
 */
export const keyOf = (event: WebhookEvent.Event): string =>
  event._tag === "Push" ? `${WebhookEvent.keyOf(event)} ${event.after}` : WebhookEvent.keyOf(event)

const same = (one: GitHubModel.Repo, text: string): boolean =>
  Option.exists(
    GitHub.parseRepo(text),
    ({ name, owner }) =>
      // GitHub ignores the case.
      `${owner}/${name}`.toLowerCase() === `${one.owner}/${one.name}`.toLowerCase()
  )

/**
 * The effect of a push on an agent, none when the push does not concern it.
 *
 * @category decisions
 * @since 0.1.0
 */
export const affectedBy = (
  push: WebhookEvent.Push,
  agent: Agent.Agent,
  source: Profile.Source | undefined
): Option.Option<Affected> => {
  const { repository } = agent
  const tracks = (ref: string | undefined) =>
    ref === undefined ? push.isDefaultBranch : push.branch !== undefined && push.branch === ref
  const pull = repository !== undefined && same(push.repository, repository.url) && tracks(repository.ref)
  const update = source !== undefined && same(push.repository, source.repository) && tracks(source.ref)
  return pull || update ? Option.some({ agent, pull, update }) : Option.none()
}

const updated = Metric.counter("remote_agent_push_updates_total", {
  description: "Agents that a push concerned, by result",
  incremental: true
})

/** The queue of an agent: at most one push is carried out, and one waits. */
interface Line {
  readonly turn: Semaphore.Semaphore
  waiting: Deferred.Deferred<void> | undefined
  users: number
}

/** Waits for a running query, and wakes no agent. */
const gently = { whenRunning: "wait", resume: false } as const

/** The number of agents that one push updates at the same time. */
const concurrency = 4

/** Makes the service over the agents of an orchestrator. */
export const make = Effect.gen(function* () {
  const [orchestrator, profiles, repositories] = yield* Effect.all([Orchestrator, Profiles, Repositories])
  const renamed = yield* RenamedRepository.make
  const lines = new Map<Id.AgentId, Line>()

  const inLine = (id: Id.AgentId) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const line = lines.get(id) ?? { turn: Semaphore.makeUnsafe(1), waiting: undefined, users: 0 }
        line.users++
        lines.set(id, line)
        return line
      }),
      (line) =>
        Effect.sync(() => {
          if (--line.users === 0) lines.delete(id)
        })
    )

  /** Runs the work in its turn, unless newer work for the same agent arrives first. */
  const newest = <A, E, R>(id: Id.AgentId, work: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const line = yield* inLine(id)
      const mine = Deferred.makeUnsafe<void>()
      const before = line.waiting
      line.waiting = mine
      if (before !== undefined) yield* Deferred.succeed(before, undefined)
      const overtaken = Effect.as(Deferred.await(mine), "Overtaken" as const)
      const inTurn = line.turn.withPermit(
        Effect.suspend((): Effect.Effect<A | "Overtaken", E, R> => {
          if (line.waiting !== mine) return Effect.succeed("Overtaken")
          line.waiting = undefined
          return work
        })
      )
      return yield* Effect.raceFirst(inTurn, overtaken)
    }).pipe(Effect.scoped)

  const pull = Effect.fnUntraced(function* (push: WebhookEvent.Push, { id }: Agent.Agent) {
    const { branch } = yield* repositories.status(id, gently)
    if (branch !== push.branch) return "Skipped" as const
    const { before, commit } = yield* repositories.pull(id, {}, gently)
    return before === commit ? ("Unchanged" as const) : ("Updated" as const)
  })

  const bring = Effect.fnUntraced(
    function* (push: WebhookEvent.Push, { agent, ...wanted }: Affected) {
      const pulled = wanted.pull ? yield* pull(push, agent) : "Unchanged"
      if (!wanted.update) return pulled
      const { from, to } = yield* orchestrator.agents.of(agent).update(gently)
      return from === to ? pulled : ("Updated" as const)
    },
    Effect.catchReason("OrchestratorError", "AgentPaused", () => Effect.succeed("Skipped" as const)),
    // It was ended while its turn came.
    Effect.catchReason("OrchestratorError", "AgentNotReady", () => Effect.succeed("Skipped" as const)),
    // A process that uses that provider updates it.
    Effect.catchReason("OrchestratorError", "OtherProvider", () => Effect.succeed("Skipped" as const))
  )

  const one = Effect.fn("UpdateOnPush.agent")(function* (push: WebhookEvent.Push, affected: Affected) {
    const { id } = affected.agent
    const result = yield* Effect.result(newest(id, bring(push, affected)))
    const outcome: Outcome = Result.isSuccess(result) ? result.success : "Failed"
    yield* Metric.update(Metric.withAttributes(updated, { outcome }), 1)
    if (Result.isSuccess(result)) {
      yield* Effect.logInfo(`Agent ${id} after a push: ${outcome}`)
      return []
    }
    const { message } = result.failure
    yield* Effect.logError(`Agent ${id} could not be updated after a push`, result.failure)
    return [{ agentId: id, message }]
  })

  const sourceOf = (agent: Agent.Agent) =>
    profiles.get(agent.profile).pipe(
      Effect.map(({ source }) => source),
      // It is known where it was launched, and needs not be here.
      Effect.catchReason("OrchestratorError", "UnknownProfile", () => Effect.undefined)
    )

  const affected = (
    push: WebhookEvent.Push,
    decide: (
      agent: Agent.Agent,
      source: Profile.Source | undefined
    ) => Effect.Effect<Option.Option<Affected>> = (agent, source) =>
      Effect.succeed(affectedBy(push, agent, source))
  ) =>
    orchestrator.agents.list({ status: ["active", "paused"] }).pipe(
      Stream.mapEffect((agent) => Effect.flatMap(sourceOf(agent), (source) => decide(agent, source))),
      Stream.flatMap((found) => Stream.fromIterable(Option.toArray(found))),
      Stream.runCollect
    )

  /** The agents that know the repository of a push by a name that it had before. */
  const affectedByRename = (push: WebhookEvent.Push) =>
    affected(push, (agent, source) =>
      Effect.gen(function* () {
        for (const address of [agent.repository?.url, source?.repository]) {
          if (address === undefined) continue
          const repository = yield* renamed(push, address)
          if (Option.isSome(repository)) {
            return affectedBy({ ...push, repository: repository.value }, agent, source)
          }
        }
        return Option.none<Affected>()
      })
    )

  const handle = Effect.fn("UpdateOnPush.handle")(function* ({ event }: WebhookReceiver.Delivery) {
    if (event._tag !== "Push" || event.branch === undefined || event.deleted) return
    const { branch, repository } = event
    const named = yield* affected(event)
    const agents = named.length > 0 ? named : yield* affectedByRename(event)
    if (agents.length === 0) {
      yield* Effect.logInfo(
        `No agent tracks ${branch} of ${repository.owner}/${repository.name}. A repository may have been renamed.`
      )
    }
    const [first, ...rest] = (yield* Effect.forEach(agents, (agent) => one(event, agent), {
      concurrency
    })).flat()
    if (first === undefined) return
    return yield* new PushUpdateFailed({
      repository: `${repository.owner}/${repository.name}`,
      branch,
      agents: agents.length,
      failures: [first, ...rest]
    })
  })

  return UpdateOnPush.of({ handle })
})

/** Makes the service over the agents of an orchestrator. */
export const layer: Layer.Layer<UpdateOnPush, never, Orchestrator | Profiles | Repositories> = Layer.effect(
  UpdateOnPush,
  make
)
