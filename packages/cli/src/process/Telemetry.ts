import { RemoteAgentConfig } from "@remote-agent/domain"
import { type ConfigProvider, Effect, FileSystem, Layer, Option, Tracer } from "effect"
import { Headers } from "effect/http"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import { version } from "../version.ts"
import { CommandHost } from "./CommandHost.ts"
import * as Logging from "./Logging.ts"
import { Redaction } from "./redaction.ts"

// The address of the state is not a secret as a whole, but the password in it is.
const secretNames = RemoteAgentConfig.names.filter(
  (name) => RemoteAgentConfig.settings[name].secret && name !== "REMOTE_AGENT_STATE"
)

const passwordOf = (address: string): ReadonlyArray<string> => {
  const { password = "" } = URL.parse(address) ?? {}
  return password === "" ? [] : [password, decodeURIComponent(password)]
}

/** The values that are set among these settings. One that cannot be read is reported where it is needed. */
const valuesOf = (provider: ConfigProvider.ConfigProvider, names: ReadonlyArray<RemoteAgentConfig.Name>) =>
  Effect.map(
    Effect.forEach(names, (name) =>
      RemoteAgentConfig.text(name)
        .parse(provider)
        .pipe(Effect.orElseSucceed(() => Option.none<string>()))
    ),
    (found) => found.flatMap((value) => Option.toArray(value))
  )

/** The trace that the caller runs in: `TRACEPARENT`, in the form of W3C Trace Context. */
const parentOf = (env: Readonly<Record<string, string | undefined>>): Option.Option<Tracer.ExternalSpan> => {
  const traceparent = env["TRACEPARENT"]
  return traceparent === undefined
    ? Option.none()
    : HttpTraceContext.fromHeaders(Headers.fromInput({ traceparent }))
}

const decoded = (value: string): string => {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}

/** Parses `OTEL_EXPORTER_OTLP_HEADERS`: comma-separated `name=value` pairs with percent-encoded values. */
export const headersOf = (text: string | undefined): Record<string, string> =>
  Object.fromEntries(
    (text ?? "").split(",").flatMap((pair) => {
      const at = pair.indexOf("=")
      return at <= 0 ? [] : [[pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())]]
    })
  )

// The exporters are loaded only where they are configured: most runs need neither.
const loadOtlp = Effect.promise(() =>
  Promise.all([
    import("effect/observability/Otlp"),
    import("effect/observability/OtlpSerialization"),
    import("effect/http/FetchHttpClient"),
    import("effect/http/HttpBody")
  ])
)

const otlp = (endpoint: string, headers: string | undefined, mask: (text: string) => string) =>
  Layer.unwrap(
    Effect.map(loadOtlp, ([Otlp, OtlpSerialization, FetchHttpClient, HttpBody]) => {
      const body = (data: unknown) => HttpBody.text(mask(JSON.stringify(data)), "application/json")
      return Otlp.layer({
        baseUrl: endpoint,
        headers: headersOf(headers),
        resource: { serviceName: "remote-agent", serviceVersion: version },
        loggerMergeWithExisting: true,
        shutdownTimeout: "3 seconds"
      }).pipe(
        Layer.provide(
          Layer.succeed(OtlpSerialization.OtlpSerialization, { traces: body, metrics: body, logs: body })
        ),
        Layer.provide(FetchHttpClient.layer)
      )
    })
  )

const writeMetrics = Effect.fnUntraced(
  function* (file: string) {
    const fs = yield* FileSystem.FileSystem
    const { format } = yield* Effect.promise(() => import("effect/observability/PrometheusMetrics"))
    const text = yield* format()
    // Written beside its place and renamed, so that a reader never sees half of it.
    yield* fs.writeFileString(`${file}.new`, text)
    yield* fs.rename(`${file}.new`, file)
  },
  Effect.catch((error) => Effect.logWarning("The metrics could not be written", error))
)

/**
 * Runs a command in one span.
 *
 * **Details**
 *
 * The span continues the trace of `TRACEPARENT`. Traces, metrics and logs go to `OTEL_EXPORTER_OTLP_ENDPOINT`, metrics
 * also to `REMOTE_AGENT_METRICS_FILE`. An unreachable receiver never fails the command. From here on no secret of the
 * settings is written anywhere.
 */
export const observed =
  (command: string, provider: ConfigProvider.ConfigProvider) =>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R | FileSystem.FileSystem | CommandHost | Redaction> =>
    Effect.gen(function* () {
      const [{ env, log }, secrets] = [yield* CommandHost, yield* Redaction]
      secrets.add(yield* valuesOf(provider, secretNames))
      secrets.add((yield* valuesOf(provider, ["REMOTE_AGENT_STATE"])).flatMap(passwordOf))
      const [format] = yield* valuesOf(provider, ["REMOTE_AGENT_LOG_FORMAT"])
      const [endpoint] = yield* valuesOf(provider, ["OTEL_EXPORTER_OTLP_ENDPOINT"])
      const [headers] = yield* valuesOf(provider, ["OTEL_EXPORTER_OTLP_HEADERS"])
      const [metricsFile] = yield* valuesOf(provider, ["REMOTE_AGENT_METRICS_FILE"])
      const parent = Option.getOrUndefined(parentOf(env))
      const traced = Effect.withSpan(effect, `remote-agent ${command}`, {
        kind: "client",
        ...(parent === undefined ? {} : { parent })
      })
      const measured = metricsFile === undefined ? traced : Effect.ensuring(traced, writeMetrics(metricsFile))
      const exported =
        endpoint === undefined ? measured : Effect.provide(measured, otlp(endpoint, headers, secrets.mask))
      return yield* format === "human" || format === "json"
        ? Effect.provide(exported, Logging.layer(format, false, log))
        : exported
    })
