import { assert, describe, it } from "@effect/vitest"
import { Api, ApiError } from "@remote-agent/api"
import { Id } from "@remote-agent/domain"
import { StateStore } from "@remote-agent/orchestrator"
import { Duration, Effect, Schedule, type Scope, Stream } from "effect"
import { clientOf, request, type Services, server, urlOf } from "./support/server.ts"

/** More than the requests of any test. */
const limits = { token: { perSecond: 1e6, burst: 1e6 }, refused: { perSecond: 1e6, burst: 1e6 } }

const test = <E>(name: string, body: Effect.Effect<void, E, Services | Scope.Scope>) =>
  it.live(name, () => Effect.scoped(Effect.provide(body, server({ limits }))), { timeout: 60_000 })

/** The events that a raw client reads: what stands on the wire, by id. */
const read = (url: string, headers: Readonly<Record<string, string>>, most: number) =>
  Effect.promise(async () => {
    const controller = new AbortController()
    const response = await request(url, { headers, signal: controller.signal })
    if (response.status !== 200 || response.body === null) return { status: response.status, events: [] }
    const events: Array<{ readonly id: string; readonly data: string }> = []
    let text = ""
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk
      for (;;) {
        const at = text.indexOf("\n\n")
        if (at < 0 || events.length >= most) break
        const frame = text.slice(0, at)
        text = text.slice(at + 2)
        const [, id] = /^id: (.*)$/m.exec(frame) ?? []
        const [, data = ""] = /^data: (.*)$/m.exec(frame) ?? []
        if (id !== undefined) events.push({ id, data })
      }
      if (events.length >= most) break
    }
    controller.abort()
    return { status: response.status, events }
  })

describe("The server", () => {
  test(
    "refuses every route of the API without a token, and answers about its health",
    Effect.gen(function* () {
      const url = yield* urlOf
      const statuses = yield* Effect.forEach(Object.values(Api.Api.groups), (group) =>
        Effect.forEach(Object.values(group.endpoints), (endpoint) =>
          Effect.promise(async () => {
            const path = endpoint.path.replace(":id", "agt_x").replace(/:\w+/g, "x")
            const response = await request(url + path, { method: endpoint.method })
            await response.text()
            return [`${endpoint.method} ${endpoint.path}`, response.status] as const
          })
        )
      )
      for (const [name, status] of statuses.flat()) {
        assert.strictEqual(status, /\/(?:healthz|readyz)$/.test(name) ? 200 : 401, name)
      }
      assert.isAbove(statuses.flat().length, 25)
    })
  )

  test(
    "a token with the scope read reads, and is told what else it needs",
    Effect.gen(function* () {
      const { client } = yield* clientOf("read")
      assert.deepStrictEqual(yield* client.agents.list({ query: {} }), { items: [] })
      const refused = yield* Effect.flip(client.agents.launch({ headers: {}, payload: {} }))
      assert.strictEqual(refused._tag, "Forbidden")
      assert.include(refused instanceof ApiError.Forbidden ? refused.error.message : "", "scope run")
    })
  )

  test(
    "launches an agent, runs a query, streams its events, and terminates the agent",
    Effect.gen(function* () {
      const { client } = yield* clientOf("run")
      const { body: agent, headers } = yield* client.agents.launch({
        headers: {},
        payload: { profile: "sample", labels: { team: "research" } }
      })
      assert.strictEqual(agent.status, "active")
      assert.strictEqual(headers.etag, `"${agent.revision}"`)
      const { query, result } = yield* client.queries.start({
        params: { agentId: agent.id },
        query: { wait: Duration.seconds(30) },
        headers: {},
        payload: { text: "Tesla revenue 2024" }
      })
      assert.strictEqual(result?.outcome, "ok")
      assert.include(result?.answer ?? "", "$97,690 million")
      const stream = yield* client.queries.events({ params: { id: query.id }, query: {}, headers: {} })
      const events = yield* Stream.runCollect(stream)
      assert.deepStrictEqual(
        events.map(({ id }) => id),
        events.map((_, index) => String(index))
      )
      assert.strictEqual(events.at(-1)?.event, "result")
      const ended = yield* client.agents.terminate({ params: { id: agent.id } })
      assert.strictEqual(ended.status, "terminated")
    })
  )

  test(
    "a stream that is cut continues behind Last-Event-ID, without a gap or a repetition",
    Effect.gen(function* () {
      const { client, token, url } = yield* clientOf("run")
      const { body: agent } = yield* client.agents.launch({ headers: {}, payload: { profile: "sample" } })
      const { query } = yield* client.queries.start({
        params: { agentId: agent.id },
        query: {},
        headers: {},
        payload: { text: "Apple net margin 2023" }
      })
      const address = `${url}/v1/queries/${query.id}/events`
      const authorization = `Bearer ${token}`
      const whole = yield* read(address, { authorization }, Infinity)
      const ids = whole.events.map(({ id }) => id)
      assert.isAbove(ids.length, 3)
      for (let cut = 1; cut < ids.length; cut++) {
        const first = yield* read(address, { authorization }, cut)
        const last = first.events.at(-1)?.id ?? ""
        const rest = yield* read(address, { authorization, "last-event-id": last }, Infinity)
        assert.deepStrictEqual([...first.events, ...rest.events], whole.events)
      }
      const nonsense = yield* read(address, { authorization, "last-event-id": "x" }, 1)
      assert.strictEqual(nonsense.status, 400)
      yield* client.agents.terminate({ params: { id: agent.id } })
    })
  )

  test(
    "a query that no client follows is ended in the store all the same",
    Effect.gen(function* () {
      const { client } = yield* clientOf("run")
      const { body: agent } = yield* client.agents.launch({ headers: {}, payload: { profile: "sample" } })
      const { query, result } = yield* client.queries.start({
        params: { agentId: agent.id },
        query: {},
        headers: {},
        payload: { text: "Tesla revenue 2024" }
      })
      assert.isUndefined(result)
      const store = yield* StateStore.StateStore
      const ended = yield* store
        .getQuery(query.id)
        .pipe(
          Effect.repeat({ until: ({ status }) => status === "ended", schedule: Schedule.spaced("20 millis") })
        )
      assert.strictEqual(ended.outcome, "ok")
      yield* client.agents.terminate({ params: { id: agent.id } })
    })
  )

  test(
    "a request that is repeated under its key is carried out once",
    Effect.gen(function* () {
      const { client } = yield* clientOf("run")
      const launch = client.agents.launch({
        headers: { "idempotency-key": "monday" },
        payload: { profile: "sample" }
      })
      const [first, second] = yield* Effect.all([launch, launch], { concurrency: 2 })
      assert.strictEqual(first.body.id, second.body.id)
      assert.strictEqual((yield* client.agents.list({ query: {} })).items.length, 1)
      const other = yield* Effect.flip(
        client.agents.launch({
          headers: { "idempotency-key": "monday" },
          payload: { profile: "sample", persistent: false }
        })
      )
      assert.strictEqual(other._tag, "Conflict")
      const reused = yield* Effect.flip(
        client.queries.start({
          params: { agentId: first.body.id },
          query: {},
          headers: { "idempotency-key": "monday" },
          payload: { text: "Tesla revenue 2024" }
        })
      )
      assert.strictEqual(reused._tag, "Conflict")
      yield* client.agents.terminate({ params: { id: first.body.id } })
    })
  )

  test(
    "a change of an older revision is refused, and nothing is changed",
    Effect.gen(function* () {
      const { client } = yield* clientOf("run")
      const { body: agent, headers } = yield* client.agents.launch({
        headers: {},
        payload: { profile: "sample" }
      })
      const change = (name: string) =>
        client.agents.change({
          params: { id: agent.id },
          headers: { "if-match": headers.etag },
          payload: { name: name as never }
        })
      const renamed = yield* change("first")
      assert.strictEqual(renamed.body.name, "first")
      const refused = yield* Effect.flip(change("second"))
      assert.strictEqual(refused._tag, "PreconditionFailed")
      const now = yield* client.agents.get({ params: { id: agent.id } })
      assert.strictEqual(now.body.name, "first")
      yield* client.agents.terminate({ params: { id: agent.id } })
    })
  )

  test(
    "what does not exist is not found, with the reason",
    Effect.gen(function* () {
      const { client } = yield* clientOf("read")
      const id = Id.AgentId.make("agt_01arz3ndektsv4rrffq69g5fav")
      const missing = yield* Effect.flip(client.agents.get({ params: { id } }))
      assert.strictEqual(missing._tag, "NotFound")
      assert.strictEqual(missing instanceof ApiError.NotFound ? missing.error.reason : "", "AgentNotFound")
    })
  )

  test(
    "a token that was revoked stops working, and no list shows a secret",
    Effect.gen(function* () {
      const admin = yield* clientOf("admin")
      const created = yield* admin.client.server.createToken({ payload: { name: "ci", scope: "read" } })
      const list = yield* admin.client.server.listTokens()
      assert.notInclude(JSON.stringify(list), created.token)
      const check = Effect.map(
        Effect.promise(() =>
          request(`${admin.url}/v1/agents`, { headers: { authorization: `Bearer ${created.token}` } })
        ),
        ({ status }) => status
      )
      assert.strictEqual(yield* check, 200)
      yield* admin.client.server.revokeToken({ params: { id: created.id } })
      assert.strictEqual(yield* check, 401)
    })
  )

  test(
    "serves its OpenAPI document and its reference without a token, and metrics with one",
    Effect.gen(function* () {
      const { client, url } = yield* clientOf("read")
      const texts = yield* Effect.forEach(["/openapi.json", "/docs"], (path) =>
        Effect.promise(async () => (await request(url + path)).text())
      )
      assert.match(texts[0] ?? "", /"openapi":\s*"3\.1/)
      assert.include(texts[1] ?? "", "Remote Agent")
      assert.notMatch(texts[1] ?? "", /src="https?:/)
      assert.include(yield* client.metrics(), "# TYPE")
    })
  )
})
