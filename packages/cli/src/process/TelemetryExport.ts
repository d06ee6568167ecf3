import { Effect, FileSystem, Layer } from "effect"
import { FetchHttpClient, HttpBody } from "effect/http"
import { Otlp, OtlpSerialization, PrometheusMetrics } from "effect/observability"
import { version } from "../version.ts"

/** Where what a command did is told. */
export interface Destination {
  /** The address of a receiver of OTLP over HTTP. */
  readonly endpoint: string | undefined
  /** `name=value` pairs with commas between them, as OpenTelemetry writes them. */
  readonly headers: string | undefined
  /** The file that gets the metrics as Prometheus reads them. */
  readonly metricsFile: string | undefined
  /** Takes secrets out of everything that is sent. */
  readonly mask: (text: string) => string
}

/** Header values are percent-encoded, as the specification of OpenTelemetry says. */
export const headersOf = (text: string | undefined): Record<string, string> =>
  Object.fromEntries(
    (text ?? "").split(",").flatMap((pair) => {
      const at = pair.indexOf("=")
      return at <= 0 ? [] : [[pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())]]
    })
  )

const decoded = (value: string): string => {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}

const otlp = ({ endpoint, headers, mask }: Destination) => {
  if (endpoint === undefined) return Layer.empty
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
}

const writeMetrics = Effect.fnUntraced(
  function* (file: string) {
    const fs = yield* FileSystem.FileSystem
    const text = yield* PrometheusMetrics.format()
    // A reader must never see half of it.
    yield* fs.writeFileString(`${file}.new`, text)
    yield* fs.rename(`${file}.new`, file)
  },
  Effect.catch((error) => Effect.logWarning("The metrics could not be written", error))
)

/** Runs a command and tells the destination what it did, however it ended. */
export const exported =
  (destination: Destination) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | FileSystem.FileSystem> => {
    const { metricsFile } = destination
    const measured = metricsFile === undefined ? effect : Effect.ensuring(effect, writeMetrics(metricsFile))
    return Effect.provide(measured, otlp(destination))
  }
