import { describeWhere } from "#test/where"
import { assert, it } from "@effect/vitest"
import type { StateStoreError } from "@remote-agent/domain"
import { StateExport } from "@remote-agent/orchestrator"
import { Effect, Stream } from "effect"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { newAgent, newQuery, thinking } from "../support/stateStoreCases.ts"
import { newPath, openBoth, openStore } from "../support/storeSupport.ts"

const did = (program: string, args: ReadonlyArray<string>) =>
  spawnSync(program, args, { stdio: "ignore" }).status === 0

const mount = (folder: string, options: string) =>
  did("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder])

const unmount = (folder: string) => did("umount", ["-l", folder])

/** Only who may mount can make a small disk. Others see the same of a database that may not grow, in StateFile. */
const canMount = (() => {
  const folder = mkdtempSync(join(tmpdir(), "remote-agent-disk-"))
  const mounted = process.platform === "linux" && mount(folder, "size=64k")
  if (mounted) unmount(folder)
  rmSync(folder, { recursive: true })
  return mounted
})()

/** The path of a file on a disk of one megabyte, and what makes the disk greater. */
const smallDisk = Effect.acquireRelease(
  Effect.map(newPath, (path) => {
    const folder = join(dirname(path), "disk")
    mkdirSync(folder)
    mount(folder, "size=1m")
    return { folder, grow: Effect.sync(() => assert.isTrue(mount(folder, "remount,size=16m"))) }
  }),
  ({ folder }) => Effect.sync(() => unmount(folder))
)

const obstacle = ({ isRetryable, reason }: StateStoreError.StateStoreError) => {
  assert(reason._tag === "Unavailable")
  return [reason.obstacle, isRetryable]
}

describeWhere(canMount, "only who may mount can make a small disk")("a full disk", () => {
  it.live("has nothing done by half, and everything goes on when there is room", () =>
    Effect.gen(function* () {
      const { folder, grow } = yield* smallDisk
      const path = join(folder, "state.db")
      const { store } = yield* openBoth({ path })
      const query = yield* newQuery((yield* newAgent()).id)
      yield* store.createQuery(query)
      const batch = ["a", "b", "c"].map((text) => thinking(text.repeat(5000)))
      let done = 0
      const append = Effect.map(store.appendEvents(query.id, batch), () => void (done += batch.length))
      assert.deepStrictEqual(obstacle(yield* Effect.flip(Effect.forever(append))), ["full", false])
      assert.isAbove(done, 0)
      assert.lengthOf(yield* Stream.runCollect(store.events(query.id, 0)), done)
      yield* grow
      const [next] = yield* store.appendEvents(query.id, batch)
      assert.strictEqual(next?.seq, done)
      const other = yield* openStore(path)
      assert.lengthOf(yield* Stream.runCollect(other.events(query.id, 0)), done + 3)
    }).pipe(Effect.scoped)
  )

  it.live("leaves a document that was exported before as it was, and nothing beside it", () =>
    Effect.gen(function* () {
      const { folder, grow } = yield* smallDisk
      const store = yield* openStore(yield* newPath)
      const file = join(folder, "state.json")
      yield* StateExport.exportTo(store, file)
      const before = readFileSync(file, "utf8")
      const query = yield* newQuery((yield* newAgent()).id)
      yield* store.createQuery(query)
      yield* store.appendEvents(
        query.id,
        Array.from({ length: 400 }, () => thinking("x".repeat(5000)))
      )
      assert.deepStrictEqual(obstacle(yield* Effect.flip(StateExport.exportTo(store, file))), ["full", false])
      assert.strictEqual(readFileSync(file, "utf8"), before)
      assert.deepStrictEqual(readdirSync(folder), ["state.json"])
      yield* grow
      assert.strictEqual((yield* StateExport.exportTo(store, file)).events, 400)
    }).pipe(Effect.scoped)
  )
})
