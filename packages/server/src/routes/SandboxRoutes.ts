import { Api, ApiError, type Authorization, type SandboxApi, type RequestChecks } from "@remote-agent/api"
import type { Id, OrchestratorError } from "@remote-agent/domain"
import { type AgentHandle, Orchestrator } from "@remote-agent/orchestrator"
import type { Sandbox } from "@remote-agent/sandbox"
import { type Cause, Effect, type Layer, Queue, Stream } from "effect"
import { HttpApiBuilder, type HttpApiGroup } from "effect/http-api"
import { sent } from "./sent.ts"

/** A request as a sandbox takes it. */
const commandOf = (request: SandboxApi.ExecRequest): Sandbox.Command => {
  const { cwd, env, idleTimeout, stdin, timeout, user } = request
  const options = { cwd, env, stdin, user, timeouts: { wall: timeout, idle: idleTimeout } }
  return "argv" in request ? { ...options, argv: request.argv } : { ...options, script: request.script }
}

const inputInUse = new ApiError.Conflict({
  error: {
    reason: "InputInUse",
    message: "Another command reads the input of this name. Use a new name for each command.",
    retryable: false
  }
})

const noSuchInput = new ApiError.NotFound({
  error: {
    reason: "InputNotFound",
    message: "No command at this server reads an input of this name. It may have ended.",
    retryable: false
  }
})

/**
 * The handlers for files and commands in sandboxes.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<
  HttpApiGroup.Service<"remote-agent", "sandbox">,
  never,
  Authorization.Authorization | RequestChecks.RequestChecks | Orchestrator.Orchestrator
> = HttpApiBuilder.group(
  Api.Api,
  "sandbox",
  Effect.fnUntraced(function* (handlers) {
    const { agents } = yield* Orchestrator.Orchestrator
    /** The inputs of running commands, by agent and name. */
    const inputs = new Map<string, Queue.Queue<Uint8Array, Cause.Done>>()

    const files = <A>(
      id: Id.AgentId,
      work: (files: AgentHandle.AgentFiles) => Effect.Effect<A, OrchestratorError.OrchestratorError>
    ) => sent(Effect.flatMap(agents.get(id), (handle) => work(handle.files)))

    return handlers.handleAll({
      exec: ({ params, payload }) =>
        Effect.gen(function* () {
          const handle = yield* sent(agents.get(params.id))
          const { input } = payload
          if (input === undefined) {
            return Stream.mapError(handle.spawn(commandOf(payload)), ApiError.fromFailure)
          }
          const key = `${params.id} ${input}`
          if (inputs.has(key)) return yield* inputInUse
          const queue = yield* Queue.bounded<Uint8Array, Cause.Done>(4)
          inputs.set(key, queue)
          return handle.spawn(commandOf(payload), { input: Stream.fromQueue(queue) }).pipe(
            Stream.mapError(ApiError.fromFailure),
            Stream.ensuring(
              Effect.andThen(
                Effect.sync(() => inputs.delete(key)),
                Queue.shutdown(queue)
              )
            )
          )
        }),
      input: ({ params, payload, query }) =>
        Effect.gen(function* () {
          const queue = inputs.get(`${params.id} ${params.input}`)
          if (queue === undefined) return yield* noSuchInput
          if (payload.length > 0) yield* Queue.offer(queue, payload)
          if (query.end === "true") yield* Queue.end(queue)
        }),
      read: ({ params, query }) => files(params.id, ({ read }) => read(query.path)),
      write: ({ params, payload, query }) => files(params.id, ({ write }) => write(query.path, payload)),
      remove: ({ params, query }) => files(params.id, ({ remove }) => remove(query.path)),
      listFiles: ({ params, query }) => files(params.id, ({ list }) => list(query.path)),
      stat: ({ params, query }) => files(params.id, ({ stat }) => stat(query.path)),
      rename: ({ params, payload }) => files(params.id, ({ rename }) => rename(payload.from, payload.to)),
      makeDir: ({ params, payload }) => files(params.id, ({ makeDir }) => makeDir(payload.path))
    })
  })
)
