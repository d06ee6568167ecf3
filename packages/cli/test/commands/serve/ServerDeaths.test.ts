import { assert, describe, it } from "@effect/vitest"
import { AgentEvent, Id } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Effect, Schema, Stream } from "effect"
import { follow, type Frame } from "../../../../server/test/support/follow.ts"
import { amount } from "../../../../../test/tier.ts"
import { home, recorded } from "../../support/agents.ts"
import { killServer, type Served, startServer } from "../../support/serveProcess.ts"

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(AgentEvent.EventRecord)))

const isLast = ({ data }: Frame) => data.includes('"type":"result"')

const clients = amount(4, 50)
const kills = amount(2, 20)

const post = async (
  url: string,
  token: string,
  body: unknown
): Promise<Readonly<Record<string, unknown>>> => {
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body)
  })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  return response.json() as Promise<Readonly<Record<string, unknown>>>
}

/** Resolves when a client has got this many events. */
const progress = async (count: () => number, goal: number): Promise<void> => {
  if (count() >= goal) return
  await new Promise((resolve) => setTimeout(resolve, 10))
  return progress(count, goal)
}

describe("A server that is killed under its clients", () => {
  it.live(
    `leaves every client with the log of the store, byte for byte: ${kills} kills, ${clients} clients`,
    () =>
      Effect.gen(function* () {
        const cwd = yield* home
        let server: Served = yield* Effect.acquireRelease(
          Effect.promise(() => startServer(cwd, ["--port", "0"])),
          () => Effect.promise(() => killServer(server))
        )
        const { token, url } = server.ready
        const port = new URL(url).port
        const agent = yield* Effect.promise(() =>
          post(`${url}/v1/agents`, token, { profile: "sample", env: { SAMPLE_AGENT_STEP_MS: "150" } })
        )
        const ids: Array<string> = []
        const logs: Array<ReadonlyArray<Frame>> = []
        // One query after the other, so that there is always one that runs when the server dies.
        for (let round = 0; round < kills; round++) {
          const { query } = yield* Effect.promise(() =>
            post(`${url}/v1/agents/${String(agent["id"])}/queries`, token, {
              text: "Compare Apple, Microsoft, Tesla and Amazon: revenue and net margin in 2024"
            })
          )
          const { id } = query as { readonly id: string }
          ids.push(id)
          let seen = 0
          const following = Array.from({ length: clients }, (_, index) =>
            follow({
              url: `${url}/v1/queries/${id}/events`,
              token,
              pause: 20 + index,
              isLast,
              onFrame: ({ id: seq }) => {
                if (index === 0) seen = Number(seq) + 1
              }
            })
          )
          yield* Effect.promise(async () => {
            await Promise.race([progress(() => seen, 1), Promise.all(following)])
            await killServer(server)
            server = await startServer(cwd, ["--port", port])
          })
          const got = yield* Effect.promise(() => Promise.all(following))
          logs.push(...got)
          const stored = yield* recorded(
            cwd,
            Effect.flatMap(StateStore.StateStore, (store) =>
              Stream.runCollect(store.events(Id.QueryId.make(id), 0))
            )
          )
          const expected = stored.map((record): Frame => ({ id: String(record.seq), data: encode(record) }))
          assert.isAbove(expected.length, 2)
          for (const log of got) assert.deepStrictEqual(log, expected)
        }
        assert.strictEqual(logs.length, kills * clients)
        const response = yield* Effect.promise(() =>
          fetchStatus(`${url}/v1/agents/${String(agent["id"])}`, token, "DELETE")
        )
        assert.strictEqual(response, 200)
      }).pipe(Effect.scoped),
    { timeout: 900_000 }
  )
})

const fetchStatus = async (url: string, token: string, method: string): Promise<number> => {
  const response = await fetch(url, { method, headers: { authorization: `Bearer ${token}` } })
  await response.text()
  return response.status
}
