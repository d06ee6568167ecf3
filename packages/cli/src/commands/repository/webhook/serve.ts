import { NodeHttpServer } from "@effect/platform-node"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { WebhookReceiver } from "@remote-agent/github"
import { UpdateOnPush } from "@remote-agent/orchestrator"
import { Context, Duration, Effect, Layer } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import * as App from "../../../app/App.ts"
import { type Run, Usage } from "../../../ui/Failure.ts"
import { CommandHost } from "../../../process/CommandHost.ts"
import { line, Screen } from "../../../ui/Screen.ts"
import * as Settings from "../../../app/Settings.ts"

/** The flags of `webhook serve`. */
export interface ServeFlags extends App.AppFlags {
  readonly port: number
  readonly host: string
  /** In seconds. */
  readonly drain: number
  readonly json: boolean
}

/** The receiver, with the reaction to pushes. Handling goes on for so long after it is closed. */
const receiver = (drain: Duration.Duration) =>
  Layer.unwrap(
    Effect.map(UpdateOnPush.UpdateOnPush, ({ handle }) =>
      WebhookReceiver.layerConfig({ handle, key: UpdateOnPush.keyOf, grace: drain })
    )
  )

const state = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    yield* router.add("GET", "/health", HttpServerResponse.json({ status: "ok" }))
    yield* router.add(
      "GET",
      "/metrics",
      Effect.map(PrometheusMetrics.format(), (text) =>
        HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
      )
    )
  })
)

/** Receives webhooks until it is stopped. Refuses to start without a secret. */
export const run = Effect.fn("webhook serve")(function* (flags: ServeFlags): Run {
  const { drain, host, json, port } = flags
  const [{ note, out }, { leftovers }] = [yield* Screen, yield* CommandHost]
  // Before anything else is started.
  yield* Effect.flatMap(RemoteAgentConfig.RemoteAgentConfig, (config) =>
    RemoteAgentConfig.requireKeys(config, ["GITHUB_WEBHOOK_SECRET"], "receiving webhooks")
  ).pipe(Effect.provide(Settings.layer({})))
  leftovers("What was being handled is taken over by the next that receives it.")
  const server = NodeHttpServer.layer(() => createServer(), {
    port,
    host,
    gracefulShutdownTimeout: Duration.seconds(1)
  }).pipe(
    Layer.catchTag("ServeError", () =>
      Layer.effectContext(
        Effect.fail(
          new Usage({
            message: `The port ${port} at ${host} cannot be used. Say another --port, or --port 0 for a free one.`
          })
        )
      )
    )
  )
  const served = HttpRouter.serve(Layer.merge(receiver(Duration.seconds(drain)), state), {
    disableListenLog: true,
    disableLogger: true
  }).pipe(
    Layer.provideMerge(server),
    Layer.provide(UpdateOnPush.layer),
    Layer.provide(App.repositories(flags))
  )
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const { address } = Context.get(yield* Layer.build(served), HttpServer.HttpServer)
      const url = `${HttpServer.formatAddress(address)}/webhook`
      yield* line(out, json ? JSON.stringify({ url }) : url)
      yield* line(note, "Receiving until Ctrl-C.")
      return yield* Effect.never
    })
  )
})
