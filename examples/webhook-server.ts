/**
 * Your own server, which also receives GitHub's webhooks: a push to the default branch updates every agent. As a
 * demonstration, the program sends itself one signed delivery and exits when it has been handled.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { runMain } from "@effect/platform-node/NodeRuntime"
import { WebhookSignature } from "@remote-agent/github"
import { Console, Context, Deferred, Effect, Layer, Redacted, Stream } from "effect"
import {
  FetchHttpClient,
  HttpClient,
  HttpClientRequest,
  HttpRouter,
  HttpServer,
  HttpServerResponse
} from "effect/http"
import { createServer } from "node:http"
import { WebhookReceiver } from "remote-agent/github"
import { layer, RemoteAgent } from "remote-agent/local"

// In production, use `WebhookReceiver.layerConfig`, which reads GITHUB_WEBHOOK_SECRET.
const secret = Redacted.make("a-secret-for-this-example")

const updateAll = Effect.gen(function* () {
  const { agents } = yield* RemoteAgent
  yield* agents.list({ status: "active" }).pipe(
    Stream.mapEffect((agent) =>
      agents
        .of(agent)
        .update({ whenRunning: "wait" })
        .pipe(Effect.andThen(Console.log("an agent is up to date")))
    ),
    Stream.runDrain
  )
})

const routes = (handled: Deferred.Deferred<void>) =>
  Layer.mergeAll(
    HttpRouter.add("GET", "/", HttpServerResponse.text("a page of mine\n")),
    WebhookReceiver.layer({
      secrets: secret,
      path: "/webhook",
      handle: Effect.fnUntraced(function* ({ event, id }) {
        yield* Console.log(`delivery ${id}: ${event._tag}`)
        if (event._tag === "Push" && event.isDefaultBranch) yield* updateAll
        yield* Deferred.succeed(handled, undefined)
      })
    })
  )

/** The body that GitHub sends after a push. */
const push = JSON.stringify({
  ref: "refs/heads/main",
  before: "1".repeat(40),
  after: "2".repeat(40),
  created: false,
  deleted: false,
  forced: false,
  commits: [{ id: "2".repeat(40), message: "A better prompt" }],
  repository: { name: "app", owner: { login: "acme" }, default_branch: "main" },
  sender: { login: "ada" }
})

const deliver = (url: string, signature: string) =>
  HttpClientRequest.post(`${url}/webhook`).pipe(
    HttpClientRequest.setHeaders({
      "x-github-event": "push",
      "x-github-delivery": "delivery-1",
      "x-hub-signature-256": signature
    }),
    HttpClientRequest.bodyText(push, "application/json"),
    HttpClient.execute,
    Effect.flatMap(({ status }) => Console.log(`answered with ${status}`)),
    Effect.provide(FetchHttpClient.layer)
  )

const program = Effect.gen(function* () {
  const { agents } = yield* RemoteAgent
  yield* agents.launchScoped()
  const handled = yield* Deferred.make<void>()
  const server = HttpRouter.serve(routes(handled), { disableListenLog: true, disableLogger: true }).pipe(
    Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { port: 0, host: "127.0.0.1" }))
  )
  const { address } = Context.get(yield* Layer.build(server), HttpServer.HttpServer)
  const url = HttpServer.formatAddress(address)
  yield* deliver(url, "sha256=" + "0".repeat(64))
  yield* deliver(url, WebhookSignature.sign(Buffer.from(push), secret))
  yield* Deferred.await(handled)
}).pipe(Effect.scoped)

runMain(Effect.provide(program, layer()))
