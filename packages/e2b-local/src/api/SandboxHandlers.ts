/**
 * Handlers of the sandbox endpoints: lifecycle, metrics and logs.
 *
 * @since 0.1.0
 */
import { Effect, Option, Redacted } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { variablesProblem } from "../isolation/shell.ts"
import type { Sandbox, Spec } from "../sandboxes/ManagedSandbox.ts"
import * as SandboxLog from "../sandboxes/SandboxLog.ts"
import type { Metric } from "../sandboxes/SandboxMetrics.ts"
import { SandboxRegistry } from "../sandboxes/SandboxRegistry.ts"
import { SnapshotStore } from "../sandboxes/SnapshotStore.ts"
import { refuse } from "./ApiError.ts"
import { E2bApi } from "./E2bApi.ts"
import { domainOf, refusing } from "./respond.ts"
import * as SandboxListing from "./SandboxListing.ts"
import type * as Schemas from "./schemas.ts"

// Default ttl of E2B's second and first version of the creation.
const DEFAULT_SECONDS = 300
const FIRST_DEFAULT_SECONDS = 15

const MAX_LOGS = 1000

type Request = HttpServerRequest.HttpServerRequest

const detail = (sandbox: Sandbox, domain: string) => ({
  ...SandboxListing.summary(sandbox),
  envdAccessToken: Redacted.value(sandbox.token),
  domain,
  allowInternetAccess: sandbox.spec.internet,
  network: { allowPublicTraffic: sandbox.spec.publicTraffic },
  lifecycle: {
    onTimeout: sandbox.spec.autoPause ? ("pause" as const) : ("kill" as const),
    autoResume: sandbox.spec.autoResume
  },
  volumeMounts: []
})

/** Fails with 400 when the options contradict each other or cannot be honoured here. */
const specOf = Effect.fnUntraced(function* (
  payload: typeof Schemas.CreateRequest.Type,
  defaultSeconds: number
) {
  const autoPause = payload.autoPause ?? false
  const autoPauseMemory = payload.autoPauseMemory ?? true
  const autoResume = payload.autoResume?.enabled ?? false
  if (autoResume && !autoPause) return yield* refuse(400, "autoResume needs autoPause")
  if (autoResume && !autoPauseMemory) return yield* refuse(400, "autoResume needs a pause with memory")
  const problem = variablesProblem(payload.envVars ?? {})
  if (Option.isSome(problem)) return yield* refuse(400, problem.value)
  const spec: Spec = {
    templateId: payload.templateID,
    metadata: payload.metadata ?? {},
    envVars: payload.envVars ?? {},
    timeoutSeconds: payload.timeout ?? defaultSeconds,
    autoPause,
    autoPauseMemory,
    autoResume,
    internet: payload.allow_internet_access ?? true,
    publicTraffic: payload.network?.allowPublicTraffic ?? true
  }
  if (spec.internet && !spec.publicTraffic) {
    return yield* refuse(
      400,
      "network.allowPublicTraffic: false needs allow_internet_access: false in local sandboxes, which otherwise share the network of this machine"
    )
  }
  return spec
})

/** Without rules there is nothing to change. Each rule is refused by name. */
const refuseRules = (rules: Readonly<Record<string, unknown>>) => {
  const names = Object.entries(rules)
    .filter(([, rule]) => rule !== null && !(Array.isArray(rule) && rule.length === 0))
    .map(([name]) => name)
  return names.length === 0
    ? Effect.void
    : Effect.fail(
        refuse(400, names.map((name) => `network.${name} is not available in local sandboxes`).join("; "))
      )
}

const idsOf = (given: string | ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  (given === undefined ? [] : typeof given === "string" ? [given] : given).flatMap((text) =>
    text.split(",").filter((id) => id !== "")
  )

const sample = (sandbox: Sandbox) => (sandbox.state === "running" ? sandbox.metrics.sample : Effect.void)

const make = Effect.gen(function* () {
  const registry = yield* SandboxRegistry
  const snapshots = yield* SnapshotStore

  const create = (payload: typeof Schemas.CreateRequest.Type, request: Request, defaultSeconds: number) =>
    specOf(payload, defaultSeconds).pipe(
      Effect.flatMap((spec) => snapshots.reading(spec.templateId, (files) => registry.create(spec, files))),
      Effect.map((sandbox) => SandboxListing.connection(sandbox, domainOf(request))),
      refusing
    )

  const connect = ({
    params,
    payload,
    request
  }: {
    readonly params: { readonly id: string }
    readonly payload: typeof Schemas.ConnectRequest.Type | null
    readonly request: Request
  }) =>
    registry
      .connect(
        params.id,
        payload?.timeout ?? DEFAULT_SECONDS,
        payload?.memory === false ? "reboot" : "restore"
      )
      .pipe(
        Effect.map(({ resumed, sandbox }) =>
          HttpServerResponse.jsonUnsafe(SandboxListing.connection(sandbox, domainOf(request)), {
            status: resumed ? 201 : 200
          })
        ),
        refusing
      )

  const list = (query: typeof Schemas.ListQuery.Type) =>
    SandboxListing.decodeQuery(query).pipe(
      Effect.flatMap((decoded) =>
        Effect.map(registry.list, (all) =>
          SandboxListing.respond(SandboxListing.page(all, decoded), SandboxListing.summary)
        )
      ),
      refusing
    )

  const manyMetrics = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
    const all = yield* registry.list
    const wanted = all.filter(({ id }) => ids.includes(id))
    yield* Effect.forEach(wanted, sample, { concurrency: 4, discard: true })
    const newest = wanted.flatMap((sandbox): ReadonlyArray<readonly [string, Metric]> => {
      const last = sandbox.metrics.between(0, Infinity).at(-1)
      return last === undefined ? [] : [[sandbox.id, last]]
    })
    return { sandboxes: Object.fromEntries(newest) }
  })

  const metrics = (id: string, { end = Infinity, start = 0 }: typeof Schemas.MetricsQuery.Type) =>
    registry.get(id).pipe(
      Effect.tap(sample),
      Effect.map((sandbox) => sandbox.metrics.between(start, end)),
      refusing
    )

  const logs = (id: string, selection: Omit<SandboxLog.Selection, "limit"> & { readonly limit?: number }) =>
    Effect.map(registry.get(id), ({ log }) =>
      SandboxLog.select(log.entries(), { ...selection, limit: selection.limit ?? MAX_LOGS })
    )

  return { registry, create, connect, list, manyMetrics, metrics, logs }
})

/** The handlers of the sandbox endpoints. */
export const layer = HttpApiBuilder.group(
  E2bApi,
  "sandboxes",
  Effect.fnUntraced(function* (handlers) {
    const { connect, create, list, logs, manyMetrics, metrics, registry } = yield* make
    return (
      handlers
        .handle("create", ({ payload, request }) => create(payload, request, DEFAULT_SECONDS))
        .handle("createFirst", ({ payload, request }) => create(payload, request, FIRST_DEFAULT_SECONDS))
        .handle("list", ({ query }) => list(query))
        // The first version lists running sandboxes only.
        .handle("listFirst", ({ query }) => list({ state: "running", ...query }))
        .handle("manyMetrics", ({ query }) => manyMetrics(idsOf(query.sandbox_ids)))
        .handle("connect", connect)
        .handle("connectFirst", connect)
        .handle("resume", ({ params, payload, request }) =>
          registry.resume(params.id, payload?.timeout ?? FIRST_DEFAULT_SECONDS).pipe(
            Effect.map((sandbox) => SandboxListing.connection(sandbox, domainOf(request))),
            refusing
          )
        )
        .handle("info", ({ params, request }) =>
          refusing(Effect.map(registry.get(params.id), (sandbox) => detail(sandbox, domainOf(request))))
        )
        .handle("kill", ({ params }) => refusing(registry.kill(params.id)))
        .handle("pause", ({ params, payload }) =>
          refusing(registry.pause(params.id, payload?.memory ?? true))
        )
        .handle("timeout", ({ params, payload }) => refusing(registry.setTimeout(params.id, payload.timeout)))
        .handle("refresh", ({ params, payload }) =>
          refusing(registry.extend(params.id, payload?.duration ?? FIRST_DEFAULT_SECONDS))
        )
        .handle("network", ({ params, payload }) =>
          refusing(Effect.andThen(registry.get(params.id), refuseRules(payload ?? {})))
        )
        .handle("metrics", ({ params, query }) => metrics(params.id, query))
        .handle("logsFirst", ({ params, query: { start, ...query } }) =>
          logs(params.id, { ...query, cursor: start }).pipe(
            Effect.map((entries) => ({
              logs: entries.map((entry) => ({
                timestamp: SandboxLog.view(entry).timestamp,
                line: SandboxLog.line(entry, params.id)
              })),
              logEntries: entries.map(SandboxLog.view)
            })),
            refusing
          )
        )
        .handle("logs", ({ params, query }) =>
          logs(params.id, query).pipe(
            Effect.map((entries) => ({ logs: entries.map(SandboxLog.view) })),
            refusing
          )
        )
    )
  })
)
