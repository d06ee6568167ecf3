import { Api, ApiError, type Authorization, type SandboxApi, type RequestChecks } from "@remote-agent/api"
import type { Id, OrchestratorError } from "@remote-agent/domain"
import { type AgentHandle, Orchestrator } from "@remote-agent/orchestrator"
import type { Sandbox } from "@remote-agent/sandbox"
import { Effect, type Layer, Stream } from "effect"
import { HttpApiBuilder, type HttpApiGroup } from "effect/http-api"
import { sent } from "./sent.ts"

/** A request as a sandbox takes it. */
const commandOf = (request: SandboxApi.ExecRequest): Sandbox.Command => {
  const { cwd, env, idleTimeout, stdin, timeout, user } = request
  const options = { cwd, env, stdin, user, timeouts: { wall: timeout, idle: idleTimeout } }
  return "argv" in request ? { ...options, argv: request.argv } : { ...options, script: request.script }
}

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

    const files = <A>(
      id: Id.AgentId,
      work: (files: AgentHandle.AgentFiles) => Effect.Effect<A, OrchestratorError.OrchestratorError>
    ) => sent(Effect.flatMap(agents.get(id), (handle) => work(handle.files)))

    return handlers.handleAll({
      exec: ({ params, payload }) =>
        Effect.map(sent(agents.get(params.id)), (handle) =>
          Stream.mapError(handle.spawn(commandOf(payload)), ApiError.fromFailure)
        ),
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
