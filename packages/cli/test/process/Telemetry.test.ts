import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Telemetry from "../../src/process/Telemetry.ts"
import { home } from "../support/agents.ts"
import { type Received, receiver } from "../support/receiver.ts"
import { finish, folder, lines, run, start } from "../support/support.ts"

const limit = { timeout: 600_000 }

const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optionalKey(Schema.String),
  name: Schema.String,
  links: Schema.Array(Schema.Struct({ traceId: Schema.String, spanId: Schema.String }))
})

const Traces = Schema.fromJsonString(
  Schema.Struct({
    resourceSpans: Schema.Array(
      Schema.Struct({ scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Span) })) })
    )
  })
)

/** The spans that were received. */
const spansOf = Effect.fnUntraced(function* (received: ReadonlyArray<Received>) {
  const bodies = received.filter(({ path }) => path === "/v1/traces").map(({ body }) => body)
  const traces = yield* Effect.forEach(bodies, (body) => Schema.decodeEffect(Traces)(body))
  return traces.flatMap(({ resourceSpans }) =>
    resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
  )
})

const secret = "sk-fake-canary-4711"

describe("telemetry", () => {
  it.live(
    "sends one trace from whoever called down to the agent's program, and no secret",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const { received, url } = yield* receiver
      const traceId = "0af7651916cd43dd8448eb211c80319c"
      const ran = yield* run(cwd, ["ask", `Is ${secret} a good key?`, "--env", "AGENT_KEY"], {
        AGENT_KEY: secret,
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_EXPORTER_OTLP_HEADERS: "x-team=research%20desk",
        REMOTE_AGENT_METRICS_FILE: "metrics.prom",
        TRACEPARENT: `00-${traceId}-b7ad6b7169203331-01`
      })
      assert.strictEqual(ran.code, 1)
      const spans = yield* spansOf(received)
      assert.deepStrictEqual([...new Set(spans.map((span) => span.traceId))], [traceId])
      const named = (name: string) => spans.find((span) => span.name === name)
      assert.strictEqual(named("remote-agent ask")?.parentSpanId, "b7ad6b7169203331")
      assert.strictEqual(named("ask")?.parentSpanId, named("remote-agent ask")?.spanId)
      for (const name of ["Orchestrator.launch", "Orchestrator.launch.create", "AgentRuntime.run"]) {
        assert.isDefined(named(name), name)
      }
      assert.isTrue(received.some(({ path }) => path === "/v1/metrics"))
      for (const { body, headers } of received) {
        assert.notInclude(body, secret)
        assert.strictEqual(headers["x-team"], "research desk")
      }
      assert.notInclude(ran.stdout + ran.stderr, secret)
      const metrics = yield* Effect.promise(() => readFile(join(cwd, "metrics.prom"), "utf8"))
      assert.notInclude(metrics, secret)
    }),
    limit
  )

  it.live(
    "goes on with the trace of a query in every process that works on it",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      /** What a command sends to a receiver of its own, and prints. */
      const told = Effect.fnUntraced(function* (args: ReadonlyArray<string>, code: number, env = {}) {
        const { received, url } = yield* receiver
        const ran = yield* run(cwd, args, { OTEL_EXPORTER_OTLP_ENDPOINT: url, ...env })
        assert.strictEqual(ran.code, code, ran.stderr)
        return { spans: yield* spansOf(received), stdout: ran.stdout }
      })
      yield* run(cwd, ["launch", "--name", "ann", "--env", "SAMPLE_AGENT_STEP_MS=3600000", "--quiet"])
      const traceId = "0af7651916cd43dd8448eb211c80319c"
      const asked = yield* told(["query", "ann", "TSLA revenue 2024", "--detach"], 0, {
        TRACEPARENT: `00-${traceId}-b7ad6b7169203331-01`
      })
      assert.deepStrictEqual([...new Set(asked.spans.map((span) => span.traceId))], [traceId])

      // No process waits for the query, so the one that follows it takes it over.
      const id = asked.stdout.trim()
      const { received, url } = yield* receiver
      const follower = start(cwd, ["logs", "--follow", id], { OTEL_EXPORTER_OTLP_ENDPOINT: url })
      const ended = finish(follower)
      yield* Effect.promise(() => lines(follower, 1))
      const cancelled = yield* told(["cancel", id], 0)
      assert.strictEqual((yield* Effect.promise(() => ended)).code, 1)
      const followed = yield* spansOf(received)
      for (const [spans, command, operation] of [
        [followed, "logs", "Orchestrator.events"],
        [cancelled.spans, "cancel", "Orchestrator.cancel"]
      ] as const) {
        const named = (name: string) => spans.find((span) => span.name === name)
        const [own, about] = [named(command), named(operation)]
        assert(own !== undefined && about !== undefined)
        assert.strictEqual(about.traceId, traceId, operation)
        assert.strictEqual(
          about.parentSpanId,
          asked.spans.find(({ name }) => name === "Orchestrator.start")?.spanId
        )
        assert.notStrictEqual(own.traceId, traceId, "the command itself has a trace of its own")
        assert.strictEqual(about.links[0]?.spanId, own.spanId)
        assert.strictEqual(own.links[0]?.traceId, traceId)
      }
      const taken = [...followed, ...cancelled.spans].filter(({ name }) => name === "Orchestrator.takeOver")
      assert.deepStrictEqual([...new Set(taken.map((span) => span.traceId))], [traceId])
      yield* run(cwd, ["terminate", "ann", "--yes"])
    }, Effect.scoped),
    limit
  )

  it.live(
    "does not keep a command from its work when nobody listens",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const ran = yield* run(cwd, ["ask", "TSLA revenue 2024"], {
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
        REMOTE_AGENT_METRICS_FILE: "no/such/folder/metrics.prom"
      })
      assert.strictEqual(ran.code, 0)
      assert.include(ran.stdout, "97,690")
    }),
    limit
  )

  it("reads headers as OpenTelemetry writes them", () => {
    assert.deepStrictEqual(Telemetry.headersOf("a=1, b = x%3Dy,nonsense,=c,d=%"), {
      a: "1",
      b: "x=y",
      d: "%"
    })
    assert.deepStrictEqual(Telemetry.headersOf(undefined), {})
  })
})

describe("the log", () => {
  it.live(
    "is one JSON document per line in a pipe, and for people when they ask for it",
    Effect.fnUntraced(function* () {
      const cwd = yield* folder
      const options = { REMOTE_AGENT_METRICS_FILE: "no/such/folder/metrics.prom" }
      const json = yield* run(cwd, ["ask", "TSLA revenue 2024"], options)
      const line = json.stderr.split("\n").find((text) => text.includes("could not be written"))
      assert.deepInclude(JSON.parse(line ?? "null"), { level: "WARN" })
      const human = yield* run(cwd, ["ask", "TSLA revenue 2024"], {
        ...options,
        REMOTE_AGENT_LOG_FORMAT: "human"
      })
      assert.match(human.stderr, /level=WARN .*could not be written/)
    }),
    limit
  )
})
