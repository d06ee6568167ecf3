import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { WebhookReceiver } from "@remote-agent/github"
import { UpdateOnPush } from "@remote-agent/orchestrator"
import { Context, Duration, Effect, Layer, Option, Schema } from "effect"
import { Flag } from "effect/cli"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import * as App from "../../../app/App.ts"
import type { Run } from "../../../app/Environment.ts"
import * as Settings from "../../../app/Settings.ts"
import * as State from "../../../app/State.ts"
import { CommandHost } from "../../../process/CommandHost.ts"
import { Usage } from "../../../ui/Failure.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { command } from "../../shared/command.ts"
import { durable } from "../../shared/flags.ts"

/** The receiver, which updates agents on pushes. Handlers get `drain` to finish after it is closed. */
const receiver = (drain: Duration.Duration) =>
  Layer.unwrap(
    Effect.map(UpdateOnPush.UpdateOnPush, ({ handle }) =>
      WebhookReceiver.layerConfig({ handle, key: UpdateOnPush.keyOf, grace: drain })
    )
  )

const health = HttpRouter.add("GET", "/health", HttpServerResponse.json({ status: "ok" }))

/** Metrics name agents and repositories, so they are not on the port that receives deliveries. */
const metrics = HttpRouter.add(
  "GET",
  "/metrics",
  Effect.map(PrometheusMetrics.format(), (text) =>
    HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
  )
)

/** The most connections at once, and how long the headers and a whole request may take to arrive. */
const limits = { connections: 256, headersTimeout: 10_000, requestTimeout: 30_000 } as const

const limited = () => {
  const server = createServer({
    headersTimeout: limits.headersTimeout,
    requestTimeout: limits.requestTimeout,
    connectionsCheckingInterval: 5000
  })
  server.maxConnections = limits.connections
  return server
}

/** Serves the metrics on the loopback interface while the scope is open, and returns their address. */
const serveMetrics = (port: number) =>
  Effect.map(
    Layer.build(
      HttpRouter.serve(metrics, { disableListenLog: true, disableLogger: true }).pipe(
        Layer.provideMerge(listening("127.0.0.1", port)),
        // The router of the receiver is another one.
        Layer.fresh
      )
    ),
    (built) => `${HttpServer.formatAddress(Context.get(built, HttpServer.HttpServer).address)}/metrics`
  )

const listening = (host: string, port: number) =>
  NodeHttpServer.layer(limited, {
    port,
    host,
    gracefulShutdownTimeout: Duration.seconds(1)
  }).pipe(
    Layer.catchTag("ServeError", () =>
      Layer.effectContext(
        Effect.fail(
          new Usage({
            message: `Port ${port} at ${host} cannot be used. Give another --port, or --port 0 for a free one.`
          })
        )
      )
    )
  )

/** `webhook serve`. */
export const serve = command({
  name: "webhook serve",
  at: "machine",
  description: "Receive webhooks until Ctrl-C: a push to the branch that agents track updates them",
  flags: {
    port: Flag.Int("port").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
      Flag.withDescription("The port; 0 for a free one"),
      Flag.withDefault(8787)
    ),
    host: Flag.String("host").pipe(
      Flag.withDescription("The address to listen on"),
      Flag.withDefault("127.0.0.1")
    ),
    drain: Flag.Int("drain").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3600 }))),
      Flag.withDescription("How many seconds accepted deliveries may take after Ctrl-C"),
      Flag.withDefault(30)
    ),
    metricsPort: Flag.Int("metrics-port").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
      Flag.withDescription("A port of 127.0.0.1 for /metrics; 0 for a free one (default: no metrics)"),
      Flag.optional
    ),
    ...durable
  },
  examples: [
    { command: "remote-agent webhook serve --port 8787", description: "Needs GITHUB_WEBHOOK_SECRET" }
  ],
  run: Effect.fn("webhook serve")(function* (flags): Run {
    const { drain, host, json, metricsPort, port } = flags
    const [{ note, out }, { leftovers }] = [yield* Screen, yield* CommandHost]
    // Checked before anything is started.
    yield* Effect.flatMap(RemoteAgentConfig.RemoteAgentConfig, (config) =>
      RemoteAgentConfig.requireKeys(config, ["GITHUB_WEBHOOK_SECRET"], "receiving webhooks")
    ).pipe(Effect.provide(Settings.config()))
    leftovers("Deliveries that were accepted and not finished are handled by the next receiver.")
    const routes = Layer.merge(receiver(Duration.seconds(drain)), health)
    const served = HttpRouter.serve(routes, { disableListenLog: true, disableLogger: true }).pipe(
      Layer.provideMerge(listening(host, port)),
      Layer.provide(UpdateOnPush.layer),
      Layer.provide(App.repositories(flags)),
      Layer.provide(State.layer(flags))
    )
    return yield* Effect.scoped(
      Effect.gen(function* () {
        const { address } = Context.get(yield* Layer.build(served), HttpServer.HttpServer)
        const url = `${HttpServer.formatAddress(address)}/webhook`
        const metricsUrl = Option.isSome(metricsPort) ? yield* serveMetrics(metricsPort.value) : undefined
        yield* line(out, json ? jsonText({ url, metricsUrl }) : url)
        if (metricsUrl !== undefined && !json) yield* line(note, `Metrics at ${metricsUrl}`)
        yield* line(note, "Receiving until Ctrl-C.")
        return yield* Effect.never
      })
    )
  })
})
