import { Api, ApiError, Authorization, type RequestChecks } from "@remote-agent/api"
import { Orchestrator, Profiles } from "@remote-agent/orchestrator"
import type { RemoteAgentConfig } from "@remote-agent/domain"
import { Sandboxes } from "@remote-agent/sandbox"
import { Context, Effect, Exit, FileSystem, Layer, Path, Redacted, Scope, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder, type HttpApiGroup } from "effect/http-api"
import { PrometheusMetrics } from "effect/observability"
import { TokenStore } from "../tokens/TokenStore.ts"
import { Draining } from "../requests/Draining.ts"
import { sent } from "./sent.ts"

const noSuchToken = new ApiError.NotFound({
  error: { reason: "TokenNotFound", message: "There is no token with this id.", retryable: false }
})

/**
 * The version that the server tells.
 *
 * @category references
 * @since 0.2.0
 */
export const Version: Context.Reference<string> = Context.Reference<string>("@remote-agent/server/Version", {
  defaultValue: () => "0.0.0"
})

/** Documents of a state, in files that are deleted with their scope. A disk that is full is a bug of the setup. */
const documents = Effect.gen(function* () {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  return {
    temporary: Effect.orDie(
      Effect.map(fs.makeTempDirectoryScoped({ prefix: "remote-agent-state-" }), (folder) =>
        path.join(folder, "state.json")
      )
    ),
    write: (file: string, bytes: Uint8Array) => Effect.orDie(fs.writeFile(file, bytes, { mode: 0o600 })),
    stream: (file: string) => Stream.orDie(fs.stream(file))
  }
})

const server = HttpApiBuilder.group(
  Api.Api,
  "server",
  Effect.fnUntraced(function* (handlers) {
    const { state } = yield* Orchestrator.Orchestrator
    const [tokens, { provider }] = [yield* TokenStore, yield* Sandboxes.Sandboxes]
    const [version, profiles, files] = [yield* Version, yield* Profiles.Profiles, yield* documents]

    return handlers
      .handleAll({
        version: () => Effect.map(Authorization.Caller, ({ scope }) => ({ version, provider, scope })),
        listTokens: () => sent(tokens.list),
        createToken: ({ payload }) =>
          Effect.gen(function* () {
            const { record, token } = yield* sent(tokens.create(payload))
            const { name, token: by } = yield* Authorization.Caller
            yield* Effect.logInfo("A token was created", { id: record.id, scope: record.scope, by, name })
            return { ...record, token: Redacted.value(token) }
          }),
        revokeToken: ({ params }) =>
          Effect.flatMap(sent(tokens.revoke(params.id)), (found) =>
            found ? Effect.void : Effect.fail(noSuchToken)
          ),
        reap: ({ payload }) =>
          Effect.map(sent(state.reap(payload)), ({ entries, ...report }) => ({
            ...report,
            entries: entries.map(({ decision, error, outcome }) => ({
              decision,
              outcome,
              ...(error === undefined ? {} : { error })
            }))
          })),
        profiles: () =>
          Effect.forEach(profiles.list, (profile) =>
            profiles.prepare(profile).pipe(
              Effect.as<ReadonlyArray<RemoteAgentConfig.Problem>>([]),
              Effect.catchReason("OrchestratorError", "NotConfigured", ({ problems }) =>
                Effect.succeed<ReadonlyArray<RemoteAgentConfig.Problem>>(problems)
              ),
              Effect.map((problems) => ({
                name: profile.name,
                description: profile.description,
                ready: problems.length === 0,
                problems: problems.map(({ hint, name, problem }) => ({ name, problem, hint }))
              })),
              sent
            )
          ),
        importState: ({ payload }) =>
          Effect.gen(function* () {
            const file = yield* files.temporary
            yield* files.write(file, payload)
            return yield* sent(state.import(file))
          }).pipe(Effect.scoped)
      })
      .handleRaw("exportState", () =>
        Effect.gen(function* () {
          // The file is deleted when the whole response has been read.
          const scope = yield* Scope.make()
          const file = yield* Scope.provide(files.temporary, scope)
          yield* sent(state.export(file)).pipe(Effect.tapCause(() => Scope.close(scope, Exit.void)))
          return HttpServerResponse.stream(
            Stream.ensuring(files.stream(file), Scope.close(scope, Exit.void)),
            { contentType: "application/json" }
          )
        })
      )
  })
)

const notReady = (reason: string, message: string) =>
  new ApiError.Unavailable({ error: { reason, message, retryable: true } })

const health = HttpApiBuilder.group(
  Api.Api,
  "health",
  Effect.fnUntraced(function* (handlers) {
    const [{ queries }, draining] = [yield* Orchestrator.Orchestrator, yield* Draining]
    return handlers.handleAll({
      healthz: () => Effect.succeed({ status: "ok" } as const),
      // The state answers, so that everything else can.
      readyz: () =>
        Effect.gen(function* () {
          if (yield* draining.isDraining) return yield* notReady("Stopping", "The server is being stopped.")
          yield* Effect.mapError(Stream.runDrain(queries.list({}, { limit: 1 })), () =>
            notReady("StoreFailed", "The state store does not answer.")
          )
          return { status: "ready" } as const
        })
    })
  })
)

const metrics = HttpApiBuilder.group(Api.Api, "metrics", (handlers) =>
  handlers.handleAll({ metrics: () => PrometheusMetrics.format() })
)

/**
 * The handlers for the server itself.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<
  | HttpApiGroup.Service<"remote-agent", "server">
  | HttpApiGroup.Service<"remote-agent", "health">
  | HttpApiGroup.Service<"remote-agent", "metrics">,
  never,
  | Authorization.Authorization
  | RequestChecks.RequestChecks
  | Draining
  | Orchestrator.Orchestrator
  | Profiles.Profiles
  | Sandboxes.Sandboxes
  | TokenStore
  | FileSystem.FileSystem
  | Path.Path
> = Layer.mergeAll(server, health, metrics)
