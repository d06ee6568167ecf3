import { assert, it, vi } from "@effect/vitest"
import { SandboxError } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { E2bSandboxes } from "@remote-agent/sandbox"
import { E2B } from "e2b"
import { Effect, Redacted } from "effect"
import {
  type Answer,
  type Arrived,
  forward,
  pointedAt,
  refusal,
  reset,
  type Respond,
  serve
} from "../../support/wire.ts"

// The duration of real processes and requests depends on the machine.
vi.setConfig({ testTimeout: 60_000 })

const isTake = ({ method, path }: Arrived) => method === "POST" && path.endsWith("/snapshots")
const isSnapshotList = ({ method, path }: Arrived) => method === "GET" && path.startsWith("/snapshots")
const isRemoval = ({ method, path }: Arrived) => method === "DELETE" && path.startsWith("/templates/")

/** A real server, an adapter behind a proxy, a sandbox, and the existing snapshots. */
const world = Effect.fnUntraced(function* (
  fault: (arrived: Arrived, pass: () => Promise<Answer>, index: number) => Promise<Answer>
) {
  const { apiKey, url } = yield* E2bServer.E2bServer
  const respond: Respond = (arrived, index) => fault(arrived, () => forward(url, arrived), index)
  const proxy = yield* serve(respond)
  const sandboxes = yield* E2bSandboxes.make(pointedAt(proxy.url, { apiKey }))
  const { id } = yield* sandboxes.create({ ttl: "2 minutes" })
  const api = new E2B({ apiKey: Redacted.value(apiKey), apiUrl: url, retries: 0 })
  const kept = Effect.promise(async () =>
    (await api.Sandbox.listSnapshots().nextItems()).map(({ snapshotId }) => snapshotId)
  )
  const count = (one: (arrived: Arrived) => boolean) => proxy.arrived.filter(one).length
  return { count, id, kept, sandboxes }
})

const provided = <A, E>(effect: Effect.Effect<A, E, E2bServer.E2bServer>) =>
  Effect.provide(effect, E2bServer.layer({ isolation: "none" }))

it.live("finds the snapshot whose reply was lost, and takes only one", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const { count, id, kept, sandboxes } = yield* world(async (arrived, pass) => {
        const answer = await pass()
        return isTake(arrived) ? reset : answer
      })
      const { template } = yield* sandboxes.snapshot(id)
      assert.deepStrictEqual(yield* kept, [template])
      assert.strictEqual(count(isTake), 1)
      yield* sandboxes.removeSnapshot(template)
      assert.deepStrictEqual(yield* kept, [])
    })
  ).pipe(provided)
)

it.live("fails with an ambiguous error when the request may have arrived and no snapshot is found", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const { count, id, kept, sandboxes } = yield* world((arrived, pass) =>
        isTake(arrived) ? Promise.resolve(reset) : pass()
      )
      const error = yield* Effect.flip(sandboxes.snapshot(id))
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.strictEqual(SandboxError.retryClass(error), "ambiguous")
      assert.deepStrictEqual(yield* kept, [])
      assert.strictEqual(count(isTake), 1)
      assert.strictEqual(count(isSnapshotList), 1)
    })
  ).pipe(provided)
)

it.live("retries a snapshot when the server was busy, and a removal that failed", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const seen = new Set<string>()
      const { count, id, kept, sandboxes } = yield* world((arrived, pass) => {
        const first = !seen.has(`${arrived.method} ${arrived.path}`)
        seen.add(`${arrived.method} ${arrived.path}`)
        return first && (isTake(arrived) || isRemoval(arrived)) ? Promise.resolve(refusal(503)) : pass()
      })
      const { template } = yield* sandboxes.snapshot(id)
      assert.strictEqual(count(isTake), 2)
      yield* sandboxes.removeSnapshot(template)
      assert.strictEqual(count(isRemoval), 2)
      assert.deepStrictEqual(yield* kept, [])
    })
  ).pipe(provided)
)
