import { type AgentRequests, Api, ApiError, type Authorization, type RequestChecks } from "@remote-agent/api"
import { type Agent, Id } from "@remote-agent/domain"
import { Orchestrator, StateStore } from "@remote-agent/orchestrator"
import { DateTime, Effect, type Layer, Redacted, Stream } from "effect"
import { HttpApiBuilder, type HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Idempotency } from "./Idempotency.ts"
import { sent } from "./sent.ts"

const tagOf = ({ revision }: Agent.Agent) => `"${revision}"`

const tagged = (agent: Agent.Agent) =>
  HttpApiSchema.withHeaders({ body: agent, headers: { etag: tagOf(agent) } })

/** Values of an environment are secrets from the moment they arrive. */
export const secret = (env: Readonly<Record<string, string>>): Readonly<Record<string, Redacted.Redacted>> =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [name, Redacted.make(value)]))

/** A request as the orchestrator takes it. */
export const launchSpec = <R extends { readonly env?: AgentRequests.LaunchRequest["env"] }>({
  env,
  ...request
}: R) => (env === undefined ? request : { ...request, env: secret(env) })

const labelsOf = (labels: ReadonlyArray<string>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    labels.map((label) => {
      const at = label.indexOf("=")
      return at < 0 ? [label, ""] : [label.slice(0, at), label.slice(at + 1)]
    })
  )

const changed = new ApiError.PreconditionFailed({
  error: {
    reason: "RevisionChanged",
    message: "The agent has changed since this revision. Read it again and repeat the change.",
    retryable: false
  }
})

/**
 * The handlers for agents.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<
  HttpApiGroup.Service<"remote-agent", "agents">,
  never,
  | Authorization.Authorization
  | RequestChecks.RequestChecks
  | Idempotency
  | Orchestrator.Orchestrator
  | StateStore.StateStore
> = HttpApiBuilder.group(
  Api.Api,
  "agents",
  Effect.fnUntraced(function* (handlers) {
    const { agents } = yield* Orchestrator.Orchestrator
    const store = yield* StateStore.StateStore
    const idempotency = yield* Idempotency

    return handlers.handleAll({
      list: ({ query: { after, label, limit = 100, ...filter } }) =>
        Effect.map(
          sent(store.pageAgents({ filter: { ...filter, labels: labelsOf(label ?? []) }, after, limit })),
          ({ agents: items, next }) => ({ items, ...(next === undefined ? {} : { next }) })
        ),
      find: ({ query }) => sent(agents.find(query.text)),
      observe: ({ query: { label, ...filter } }) =>
        sent(Stream.runCollect(agents.observe({ ...filter, labels: labelsOf(label ?? []) }))),
      launch: ({ headers, payload }) =>
        idempotency
          .once(headers["idempotency-key"], {
            operation: "launch",
            content: payload,
            nextId: Id.nextAgentId,
            make: (id) => sent(agents.launch({ ...launchSpec(payload), id })),
            look: (id) =>
              Effect.map(agents.get(id), ({ record: { status } }) =>
                status === "active" || status === "paused" ? "made" : "spoilt"
              ).pipe(
                Effect.catchReason("OrchestratorError", "AgentNotFound", () =>
                  Effect.succeed("none" as const)
                ),
                sent
              )
          })
          .pipe(
            Effect.flatMap((id) => sent(agents.get(id))),
            Effect.map(({ record }) => tagged(record))
          ),
      get: ({ params }) => Effect.map(sent(agents.get(params.id)), ({ record }) => tagged(record)),
      change: ({ headers, params, payload }) =>
        Effect.gen(function* () {
          const agent = yield* sent(agents.get(params.id))
          const expected = headers["if-match"]
          if (expected !== undefined && expected !== "*" && expected !== tagOf(agent.record)) {
            return yield* changed
          }
          let record = agent.record
          if (payload.name !== undefined) record = yield* sent(agent.rename(payload.name))
          if (payload.labels !== undefined) {
            const labels = Object.entries(payload.labels).map(([key, value]) => [key, value ?? undefined])
            record = yield* sent(agent.label(Object.fromEntries(labels)))
          }
          return tagged(record)
        }),
      info: ({ params }) =>
        sent(Effect.flatMap(agents.get(params.id), ({ info }) => info)).pipe(
          Effect.map(({ current, endsAt, ...info }) => ({
            ...info,
            ...(current === undefined ? {} : { current }),
            ...(endsAt === undefined ? {} : { endsAt: DateTime.toUtc(endsAt) })
          }))
        ),
      health: ({ params }) => sent(Effect.flatMap(agents.get(params.id), ({ health }) => health)),
      pause: ({ params, payload }) =>
        sent(Effect.flatMap(agents.get(params.id), ({ pause }) => pause(payload))),
      resume: ({ params }) => sent(Effect.flatMap(agents.get(params.id), ({ resume }) => resume)),
      update: ({ params, payload }) =>
        sent(Effect.flatMap(agents.get(params.id), ({ update }) => update(payload))).pipe(
          Effect.map(({ from, to }) => ({
            ...(from === undefined ? {} : { from }),
            ...(to === undefined ? {} : { to })
          }))
        ),
      replace: ({ params, payload }) =>
        sent(Effect.flatMap(agents.get(params.id), ({ replace }) => replace(launchSpec(payload)))),
      fork: ({ params, payload }) =>
        sent(Effect.flatMap(agents.get(params.id), ({ fork }) => fork(launchSpec(payload)))).pipe(
          Effect.map(({ record }) => tagged(record))
        ),
      terminate: ({ params }) => sent(Effect.flatMap(agents.get(params.id), ({ terminate }) => terminate))
    })
  })
)
