import { RemoteAgentConfig } from "@remote-agent/domain"
import { type ConfigProvider, Effect, FileSystem, Option, type Path, Tracer } from "effect"
import { Headers } from "effect/http"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import { CommandHost } from "./CommandHost.ts"
import * as Logging from "./Logging.ts"
import { Redaction } from "./redaction.ts"
import * as Settings from "../app/Settings.ts"

// The place of the state may hold a password, and otherwise has to be told.
const secretNames = RemoteAgentConfig.names.filter(
  (name) => RemoteAgentConfig.settings[name].secret && name !== "REMOTE_AGENT_STATE"
)

const passwordOf = (address: string): ReadonlyArray<string> => {
  const { password = "" } = URL.parse(address) ?? {}
  return password === "" ? [] : [password, decodeURIComponent(password)]
}

/** Everything that is set, of a list of settings. A setting that cannot be read is reported by whoever needs it. */
const valuesOf = (provider: ConfigProvider.ConfigProvider, names: ReadonlyArray<RemoteAgentConfig.Name>) =>
  Effect.map(
    Effect.forEach(names, (name) =>
      RemoteAgentConfig.text(name)
        .parse(provider)
        .pipe(Effect.orElseSucceed(() => Option.none<string>()))
    ),
    (found) => found.flatMap((value) => Option.toArray(value))
  )

/** The trace that the process was started in (`TRACEPARENT`, as W3C Trace Context writes it), so that one trace goes on. */
const parentOf = (env: Readonly<Record<string, string | undefined>>): Option.Option<Tracer.ExternalSpan> => {
  const traceparent = env["TRACEPARENT"]
  return traceparent === undefined
    ? Option.none()
    : HttpTraceContext.fromHeaders(Headers.fromInput({ traceparent }))
}

/**
 * Runs a command so that it can be observed: in one span, within the trace of `TRACEPARENT` if there is one; its
 * traces, metrics and logs go to `OTEL_EXPORTER_OTLP_ENDPOINT`, its metrics to `REMOTE_AGENT_METRICS_FILE`. From here
 * on no secret of the settings is written anywhere. That nobody listens never fails the command.
 */
export const observed =
  (command: string) =>
  <A, E, R>(
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R | FileSystem.FileSystem | Path.Path | CommandHost | Redaction> =>
    Effect.gen(function* () {
      const [{ env, log }, secrets] = [yield* CommandHost, yield* Redaction]
      const provider = Settings.merged(yield* Settings.sources({}))
      secrets.add(yield* valuesOf(provider, secretNames))
      secrets.add((yield* valuesOf(provider, ["REMOTE_AGENT_STATE"])).flatMap(passwordOf))
      const [format] = yield* valuesOf(provider, ["REMOTE_AGENT_LOG_FORMAT"])
      const parent = Option.getOrUndefined(parentOf(env))
      const traced = Effect.withSpan(effect, `remote-agent ${command}`, {
        kind: "client",
        ...(parent === undefined ? {} : { parent })
      })
      const [endpoint] = yield* valuesOf(provider, ["OTEL_EXPORTER_OTLP_ENDPOINT"])
      const [headers] = yield* valuesOf(provider, ["OTEL_EXPORTER_OTLP_HEADERS"])
      const [metricsFile] = yield* valuesOf(provider, ["REMOTE_AGENT_METRICS_FILE"])
      const silent = endpoint === undefined && metricsFile === undefined
      const told = silent
        ? traced
        : (yield* Effect.promise(() => import("./TelemetryExport.ts"))).exported({
            endpoint,
            headers,
            metricsFile,
            mask: secrets.mask
          })(traced)
      return yield* format === "human" || format === "json"
        ? Effect.provide(told, Logging.layer(format, false, log))
        : told
    })
