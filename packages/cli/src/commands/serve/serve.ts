import { Repositories } from "@remote-agent/orchestrator"
import { Draining, Server, TokenStore, Version } from "@remote-agent/server"
import { Context, Duration, Effect, Layer, Redacted, Schema } from "effect"
import { Flag } from "effect/cli"
import { HttpServer } from "effect/http"
import * as App from "../../app/App.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { jsonText } from "../../ui/plainText.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { version } from "../../version.ts"
import { command } from "../shared/command.ts"
import { durable, onOff, optional, repeatable, text } from "../shared/flags.ts"
import * as Listening from "./listening.ts"
import { page } from "./page.ts"
import * as UserToken from "./userToken.ts"

const whole = (name: string, minimum: number, maximum: number, description: string) =>
  Flag.Int(name).pipe(
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum, maximum }))),
    Flag.withDescription(description)
  )

/** `serve`. */
export const serve = command({
  name: "serve",
  at: "machine",
  description: "Serve agents, queries and pools over HTTP until Ctrl-C: REST, event streams, MCP and metrics",
  flags: {
    port: whole("port", 0, 65_535, "The port; 0 for a free one").pipe(Flag.withDefault(7070)),
    host: Flag.String("host").pipe(
      Flag.withDescription("The address to listen on; any but the loopback needs TLS or --insecure"),
      Flag.withDefault("127.0.0.1")
    ),
    tlsCert: text("tls-cert", "The file of a TLS certificate and its chain, in PEM"),
    tlsKey: text("tls-key", "The file of its private key, in PEM"),
    insecure: onOff("insecure", "Listen beyond the loopback without TLS, for a proxy that adds it"),
    allowHost: repeatable("allow-host", "A name by which clients may address the server"),
    corsOrigin: repeatable("cors-origin", "The origin of pages that may use the API"),
    rate: optional(whole("rate", 1, 100_000, "How many requests per second a token may make (default: 200)")),
    maxBody: optional(whole("max-body", 1, 4096, "How many MiB a request may have (default: 64)")),
    drain: whole("drain", 0, 3600, "How many seconds running requests may take after Ctrl-C").pipe(
      Flag.withDefault(30)
    ),
    ...durable
  },
  examples: [
    { command: "remote-agent serve", description: "On the loopback, with a token for this user" },
    {
      command: "remote-agent serve --host 0.0.0.0 --tls-cert server.pem --tls-key server.key",
      description: "For others, with tokens of `remote-agent token create`"
    }
  ],
  run: Effect.fn("serve")(
    function* (flags): Run<State.Records> {
      const { corsOrigin, drain, host, json, maxBody, rate } = flags
      const [{ note, out }, { leftovers }] = [yield* Screen, yield* CommandHost]
      const tls = yield* Listening.tlsOf(flags)
      leftovers("Agents and queries continue. The next server follows them.")
      const options: Server.Options = {
        page: yield* page,
        hosts: Listening.hostsOf(flags),
        corsOrigins: corsOrigin,
        ...(maxBody === undefined ? {} : { maxBodyBytes: maxBody * 1024 * 1024 }),
        ...(rate === undefined ? {} : { limits: Server.limitsOf(rate) })
      }
      const served = Server.layer(options).pipe(
        Layer.provideMerge(Listening.layer(flags, tls, Duration.seconds(drain))),
        Layer.provideMerge(Layer.mergeAll(TokenStore.layer, Draining.layer)),
        Layer.provideMerge(Layer.succeed(Version, version)),
        Layer.provideMerge(Layer.provideMerge(Repositories.layer, App.agents(flags)))
      )
      return yield* Effect.scoped(
        Effect.gen(function* () {
          const services = yield* Layer.build(served)
          const { address } = Context.get(services, HttpServer.HttpServer)
          const url = HttpServer.formatAddress(address).replace(
            /^http:/,
            tls === undefined ? "http:" : "https:"
          )
          const user = Listening.isLoopback(host)
            ? yield* Effect.provide(UserToken.ensure, services)
            : undefined
          yield* line(
            out,
            json
              ? jsonText({
                  url,
                  token: user === undefined ? null : Redacted.value(user.token),
                  tokenFile: user?.file ?? null
                })
              : url
          )
          yield* line(
            note,
            user === undefined
              ? "Serving until Ctrl-C. Create a token with `remote-agent token create`."
              : `Serving until Ctrl-C. Your token is in ${user.file}.`
          )
          return yield* Effect.onInterrupt(Effect.never, () => Context.get(services, Draining.Draining).begin)
        })
      )
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
