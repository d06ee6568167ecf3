import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Agent, AgentEvent, Id, Query, TokenUsage } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { DateTime, Effect, Layer, Schedule, Schema, type Scope, Stream } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import { connect } from "node:net"
import { amount } from "../../../test/tier.ts"
import { EventStream } from "../src/index.ts"
import { cutter, follow, type Frame } from "./support/follow.ts"
import { clientOf, server, type Services, urlOf } from "./support/server.ts"

const test = <E>(name: string, body: Effect.Effect<void, E, Services | Scope.Scope>) =>
  it.live(name, () => Effect.scoped(Effect.provide(body, server({ limits }))), { timeout: 240_000 })

/** More than the requests of any test. */
const limits = { token: { perSecond: 1e6, burst: 1e6 }, refused: { perSecond: 1e6, burst: 1e6 } }

/** Texts that a careless stream would break: its own syntax, every kind of line break, and characters of many bytes. */
const texts = [
  "data: no\n\nid: 99\n\n",
  "a\r\nb\rc\u2028d",
  "𝄞 é \u0000",
  ": a comment",
  "",
  "x".repeat(3000)
]

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(AgentEvent.EventRecord)))

/** A query in the store that has ended, and its log as a client must have it. */
const recorded = Effect.gen(function* () {
  const store = yield* StateStore.StateStore
  const [agentId, id, now] = [yield* Id.nextAgentId, yield* Id.nextQueryId, yield* DateTime.now]
  yield* store.createAgent(
    new Agent.Agent({
      id: agentId,
      name: Agent.AgentName.make("writer"),
      profile: "sample",
      status: "launching",
      revision: 0,
      queryCount: 0,
      createdAt: now,
      updatedAt: now
    })
  )
  yield* store.createQuery(new Query.Query({ id, agentId, text: "?", status: "queued", createdAt: now }))
  const events = texts.map((text): AgentEvent.AgentEvent => ({ type: "thinking", text }))
  const result: AgentEvent.AgentEvent = {
    type: "result",
    outcome: "ok",
    answer: texts.join(""),
    iterations: 1,
    usage: TokenUsage.zero
  }
  yield* store.appendEvents(id, [...events, ...events, result])
  const log = yield* Stream.runCollect(store.events(id, 0))
  return { id, log: log.map((record): Frame => ({ id: String(record.seq), data: encode(record) })) }
})

const isLast = ({ data }: Frame) => data.includes('"type":"result"')

/** The bytes that a connection carries, headers and chunks included. */
const wireOf = (url: string, path: string, token: string) =>
  Effect.promise(
    () =>
      new Promise<Buffer>((resolve, reject) => {
        const { hostname, port } = new URL(url)
        const parts: Array<Buffer> = []
        const socket = connect(Number(port), hostname, () =>
          socket.write(
            `GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${token}\r\nconnection: close\r\n\r\n`
          )
        )
        socket.on("data", (part: Buffer) => parts.push(part))
        socket.on("end", () => resolve(Buffer.concat(parts)))
        socket.on("error", reject)
      })
  )

/** The places behind each frame. */
const boundaries = (wire: Buffer): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let at = wire.indexOf("\n\n"); at >= 0; at = wire.indexOf("\n\n", at + 1)) found.push(at + 2)
  return found
}

describe("An event stream", () => {
  test(
    "that is cut at every frame and at random bytes gives every client the log, byte for byte",
    Effect.gen(function* () {
      const { token, url } = yield* clientOf("read")
      const { id, log } = yield* recorded
      const path = `/v1/queries/${id}/events`
      const wire = yield* wireOf(url, path, token)
      const random = Array.from(
        { length: amount(12, 200) },
        () => 1 + Math.floor(Math.random() * wire.length)
      )
      for (const at of [...boundaries(wire), ...random]) {
        const proxy = yield* Effect.promise(() => cutter(url, [at, Math.floor(at / 2), at]))
        const got = yield* Effect.promise(() => follow({ url: proxy.url + path, token, isLast }))
        yield* Effect.promise(() => proxy.close())
        assert.deepStrictEqual(got, log, `cut behind byte ${at}`)
      }
    })
  )

  it.live(
    "that nobody reads costs what the connection holds, and no more",
    () =>
      Effect.gen(function* () {
        let pulled = 0
        const text = "x".repeat(20_000)
        const records = Stream.range(0, 1_000_000).pipe(
          // A store reads a log in pages.
          Stream.rechunk(200),
          Stream.map((seq) => {
            pulled = seq
            return new AgentEvent.EventRecord({
              queryId: Id.QueryId.make(`qry_${"0".repeat(26)}`),
              seq,
              at: DateTime.makeUnsafe(0),
              event: { type: "thinking", text }
            })
          })
        )
        const route = HttpRouter.add("GET", "/", HttpServerResponse.stream(EventStream.bytes(records)))
        const services = yield* Layer.build(
          HttpRouter.serve(route, { disableListenLog: true, disableLogger: true }).pipe(
            Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
          )
        )
        const url = yield* Effect.provide(urlOf, services)
        const { hostname, port } = new URL(url)
        const socket = yield* Effect.acquireRelease(
          Effect.promise(
            () =>
              new Promise<ReturnType<typeof connect>>((resolve) => {
                const made = connect(Number(port), hostname, () => {
                  made.pause()
                  made.write(`GET / HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`)
                  resolve(made)
                })
              })
          ),
          (made) => Effect.sync(() => made.destroy())
        )
        let [before, same] = [-1, 0]
        yield* Effect.sync(() => {
          same = pulled > 0 && pulled === before ? same + 1 : 0
          before = pulled
          return same
        }).pipe(Effect.repeat({ until: (count) => count >= 20, schedule: Schedule.spaced("20 millis") }))
        // The buffers of the kernel take some megabytes.
        assert.isBelow(pulled * text.length, 64 * 1024 * 1024)
        assert.isFalse(socket.destroyed)
      }).pipe(Effect.scoped),
    { timeout: 120_000 }
  )
})
