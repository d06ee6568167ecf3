import { assert, it, vi } from "@effect/vitest"
import type { SandboxError } from "@remote-agent/domain"
import { E2bSandboxes } from "@remote-agent/sandbox"
import type { Sandbox } from "@remote-agent/sandbox"
import { Effect, Schedule } from "effect"
import {
  type Answer,
  type Arrived,
  detail,
  html,
  id,
  isCreate,
  json,
  outcomeOf,
  pointedAt,
  refusal,
  reply,
  reset,
  sandboxOf,
  serve,
  silence,
  type Tag,
  view
} from "../support/wire.ts"

// The duration of real requests depends on the machine.
vi.setConfig({ testTimeout: 60_000 })

type Question = (sandbox: Sandbox.Sandbox) => Effect.Effect<unknown, SandboxError.SandboxError>

const questions = {
  read: ({ files }) => files.read("x"),
  write: ({ files }) => files.write("x", "y"),
  list: ({ files }) => files.list("x"),
  rename: ({ files }) => files.rename("x", "y"),
  exec: (sandbox) => sandbox.exec({ argv: ["true"] }),
  execAs: (sandbox) => sandbox.exec({ argv: ["true"], user: "nobody" })
} satisfies Record<string, Question>

type Operation = keyof typeof questions

const startPath = "/process.Process/Start"

// A kill is a command too; only the requested command carries the mark.
const isMarked = ({ body }: Arrived) => new TextDecoder().decode(body).includes('"REMOTE_AGENT_COMMAND":')

const isAsked: Record<Operation, (arrived: Arrived) => boolean> = {
  read: ({ method, path }) => method === "GET" && path.startsWith("/files"),
  write: ({ method, path }) => method === "POST" && /^\/files(\?|$)/.test(path),
  list: ({ path }) => path === "/filesystem.Filesystem/ListDir",
  rename: ({ path }) => path === "/filesystem.Filesystem/Move",
  exec: (arrived) => arrived.path === startPath && isMarked(arrived),
  execAs: (arrived) => arrived.path === startPath && isMarked(arrived)
}

const frame = (flags: number, message: unknown): Buffer => {
  const payload = Buffer.from(JSON.stringify(message))
  const head = Buffer.alloc(5)
  head.writeUInt8(flags, 0)
  head.writeUInt32BE(payload.length, 1)
  return Buffer.concat([head, payload])
}

const streamHeaders = { "content-type": "application/connect+json" }
const started = frame(0, { event: { start: { pid: 4242 } } })
const hello = frame(0, { event: { data: { stdout: btoa("hello\n") } } })

const rpcError = (status: number, code: string) => json(status, { code, message: code })
const streamError = (code: string) => reply(200, frame(2, { error: { code, message: code } }), streamHeaders)
const cut = (body: Uint8Array): Answer => ({ _tag: "Cut", status: 200, headers: streamHeaders, body })

/** The state that the API reports for a sandbox that does not answer. */
const fates = {
  running: json(200, detail("running")),
  paused: json(200, detail("paused")),
  gone: refusal(404),
  unknown: html(502)
}

const ask = Effect.fnUntraced(function* (
  operation: Operation,
  answer: Answer,
  fate: Answer,
  options: Partial<E2bSandboxes.Options> = {}
) {
  const { arrived, url } = yield* serve((request) => {
    if (isCreate(request)) return json(201, view)
    if (sandboxOf(request) === undefined) return fate
    if (isAsked[operation](request)) return answer
    return request.path === "/health" && fate !== fates.running ? refusal(502) : reply(204)
  })
  const sandboxes = yield* E2bSandboxes.make(pointedAt(url, options))
  const sandbox = yield* sandboxes.launch({ ttl: "1 minute" })
  const outcome = yield* outcomeOf(questions[operation](sandbox))
  return { ...outcome, requests: arrived.filter(isAsked[operation]).length }
})

const rows: ReadonlyArray<
  readonly [
    Operation,
    name: string,
    Answer,
    fate: keyof typeof fates,
    Tag,
    retryable: boolean,
    requests: number
  ]
> = [
  ["read", "400", refusal(400), "running", "InvalidRequest", false, 1],
  ["read", "401", refusal(401), "running", "Unauthorized", false, 1],
  ["read", "404", refusal(404), "running", "FileNotFound", false, 1],
  ["read", "429", refusal(429), "running", "RateLimited", true, 3],
  ["read", "500", refusal(500), "running", "Unreachable", true, 3],
  ["read", "502 while it runs", refusal(502), "running", "Unreachable", true, 3],
  ["read", "502 while it sleeps", refusal(502), "paused", "Paused", false, 1],
  ["read", "502 when it is gone", refusal(502), "gone", "Gone", false, 1],
  ["read", "502 and no word from the API", html(502), "unknown", "Unreachable", true, 3],
  ["read", "a reset while it runs", reset, "running", "Unreachable", true, 3],
  ["read", "a reset when it is gone", reset, "gone", "Gone", false, 1],
  ["write", "507", refusal(507), "running", "NotEnoughSpace", false, 1],
  ["write", "502 while it sleeps", refusal(502), "paused", "Paused", false, 1],
  ["list", "not_found", rpcError(404, "not_found"), "running", "FileNotFound", false, 1],
  ["list", "invalid_argument", rpcError(400, "invalid_argument"), "running", "InvalidRequest", false, 1],
  ["list", "unauthenticated", rpcError(401, "unauthenticated"), "running", "Unauthorized", false, 1],
  ["list", "unavailable while it runs", rpcError(503, "unavailable"), "running", "Unreachable", true, 3],
  ["list", "unavailable when it is gone", rpcError(503, "unavailable"), "gone", "Gone", false, 1],
  ["list", "internal", rpcError(500, "internal"), "running", "Unreachable", true, 3],
  ["list", "502 while it sleeps", refusal(502), "paused", "Paused", false, 1],
  ["rename", "a reset: what may have happened is not repeated", reset, "running", "Unreachable", false, 1],
  ["exec", "not_found", streamError("not_found"), "running", "InvalidRequest", false, 1],
  ["exec", "invalid_argument", streamError("invalid_argument"), "running", "InvalidRequest", false, 1],
  ["exec", "unauthenticated", streamError("unauthenticated"), "running", "Unauthorized", false, 1],
  [
    "execAs",
    "unauthenticated, for a user",
    streamError("unauthenticated"),
    "running",
    "InvalidRequest",
    false,
    1
  ],
  [
    "exec",
    "deadline_exceeded while it runs",
    streamError("deadline_exceeded"),
    "running",
    "Unreachable",
    false,
    1
  ],
  [
    "exec",
    "deadline_exceeded while it is paused",
    streamError("deadline_exceeded"),
    "paused",
    "Paused",
    false,
    1
  ],
  ["exec", "resource_exhausted", streamError("resource_exhausted"), "running", "RateLimited", true, 1],
  ["exec", "unavailable while it runs", streamError("unavailable"), "running", "Unreachable", false, 1],
  ["exec", "502 while it sleeps", refusal(502), "paused", "Paused", false, 1],
  ["exec", "502 when it is gone", refusal(502), "gone", "Gone", false, 1],
  ["exec", "a reset before it began", reset, "running", "Unreachable", false, 1],
  ["exec", "a stream cut off while it runs", cut(started), "running", "Unreachable", false, 1],
  ["exec", "a stream cut off by a pause", cut(started), "paused", "Paused", false, 1],
  ["exec", "a stream cut off by the end", cut(started), "gone", "Gone", false, 1],
  [
    "exec",
    "a stream without an end",
    cut(Buffer.concat([started, hello])),
    "unknown",
    "Unreachable",
    false,
    1
  ],
  [
    "exec",
    "a stream that ends without an exit",
    reply(200, Buffer.concat([started, frame(2, {})]), streamHeaders),
    "running",
    "Unreachable",
    false,
    1
  ]
]

for (const [operation, name, answer, fate, reason, isRetryable, requests] of rows) {
  it.live(`${name}: ${operation} is ${reason}, asked ${requests} times`, () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ask(operation, answer, fates[fate]), { reason, isRetryable, requests })
    })
  )
}

it.live("no response: a read times out and is retried", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* ask("read", silence, fates.running, { requestTimeout: "500 millis" }), {
      reason: "RequestTimedOut",
      isRetryable: true,
      requests: 3
    })
  })
)

it.live("no response: a command that may be running is not started again", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* ask("exec", silence, fates.running, { requestTimeout: "500 millis" }), {
      reason: "Unreachable",
      isRetryable: false,
      requests: 1
    })
  })
)

it.live("a sandbox that is gone after its ttl has expired", () =>
  Effect.gen(function* () {
    const { url } = yield* serve((request) => {
      if (isCreate(request)) return json(201, view)
      if (request.path.endsWith("/timeout")) return reply(204)
      return sandboxOf(request) === undefined ? refusal(404) : refusal(502)
    })
    const sandboxes = yield* E2bSandboxes.make(pointedAt(url))
    const sandbox = yield* sandboxes.launch({ ttl: "1 minute" })
    assert.strictEqual((yield* Effect.flip(sandbox.files.read("x"))).reason._tag, "Gone")
    yield* sandboxes.extend(id, "1 second")
    const expired = sandbox.files.read("x").pipe(
      Effect.flip,
      Effect.repeat({
        until: ({ reason }) => reason._tag === "Expired",
        schedule: Schedule.spaced("50 millis")
      })
    )
    assert.strictEqual((yield* expired).reason._tag, "Expired")
  })
)
