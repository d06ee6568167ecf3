import { describeWhere } from "#test/where"
import { amount, nameOf, seeds } from "#test/tier"
import { assert, it as top, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as CopyTree from "../../src/host/copyTree.ts"
import { findPerl } from "../../src/host/kernel.ts"
import { removeTree } from "../../src/host/removeTree.ts"
import { changing, maker } from "../support/hostile.ts"
import {
  isolated,
  output,
  byMode,
  sdk,
  Server,
  serverLayer,
  temporaryFolder,
  works
} from "../support/support.ts"

const SECRET = "fake-secret-that-no-copy-may-have"

/** A folder of the host with a secret, and a check that nothing of it was read into a folder or changed. */
const outside = Effect.gen(function* () {
  const parent = yield* temporaryFolder
  const folder = Path.join(parent, "outside")
  const file = Path.join(folder, "file")
  yield* Effect.promise(async () => {
    await Fs.mkdir(folder, { mode: 0o700 })
    await Fs.writeFile(file, SECRET, { mode: 0o600 })
  })
  const state = Effect.promise(async () => {
    const [about, aboutFile] = [await Fs.lstat(folder), await Fs.lstat(file)]
    return [
      await Fs.readdir(folder),
      await Fs.readFile(file, "utf8"),
      about.mode,
      about.uid,
      aboutFile.mode,
      aboutFile.uid,
      aboutFile.mtimeMs
    ]
  })
  const before = yield* state
  return { folder, unchanged: Effect.map(state, (now) => assert.deepStrictEqual(now, before)) }
})

const holdsSecret = (folder: string) =>
  spawnSync("grep", ["-rqs", "-D", "skip", SECRET, "--", folder]).status === 0

const canConfine = findPerl() !== undefined && (works("bubblewrap") || works("namespaces"))

const TREES = 100

const INSIDE = amount(15, 100)

/**
 * Groups of trees, each with the number of its first tree. Ten thousand trees take minutes on an idle machine:
 * `REMOTE_AGENT_TESTS=full FAULTS_SEED=1 FAULTS_SCHEDULES=100`.
 */
const groups = seeds({ some: 2, all: 20 })

describeWhere(canConfine, "programs cannot be confined here")(
  "hostile trees that change all the time",
  () => {
    // One test for a few groups, so that none of them is long.
    const parts = Array.from({ length: Math.ceil(groups.length / 4) }, (_, at) => ({
      name: nameOf(groups.slice(at * 4, at * 4 + 4)),
      part: groups.slice(at * 4, at * 4 + 4)
    }))
    top.live.each(parts)(`lead no copy and no removal outside ($name, ${TREES} trees each)`, ({ part }) =>
      Effect.forEach(
        part,
        Effect.fnUntraced(function* (group) {
          const [from, to, elsewhere] = [yield* temporaryFolder, yield* temporaryFolder, yield* outside]
          yield* Effect.promise(() => Fs.mkdir(Path.join(from, "home")))
          const fork = { user: 60_001, root: Option.none() }
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* changing(Path.join(from, "home"), group * TREES, TREES, elsewhere.folder)
              // A copy may fail when its files vanish. It may not have anything else, and leaves nothing then.
              const copied = yield* Effect.result(
                CopyTree.folders({
                  names: ["home"],
                  from,
                  to,
                  owners: process.geteuid?.() === 0 ? Option.some(fork) : Option.none()
                })
              )
              assert.isFalse(holdsSecret(to), `seed ${group}`)
              if (copied._tag === "Failure")
                assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(to)), [])
              yield* removeTree(Path.join(from, "home"))
            })
          )
          yield* elsewhere.unchanged
          // And once nothing changes any more, nothing is left.
          yield* removeTree(Path.join(from, "home"))
          yield* removeTree(Path.join(to, "home"))
          assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(from)), [])
          assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(to)), [])
        }, Effect.scoped),
        { discard: true }
      )
    )
  }
)

byMode(isolated, "hostile trees in a sandbox", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "600 seconds" })((it) => {
    it.effect("lead no snapshot, fork, read or removal outside", () =>
      Effect.gen(function* () {
        const { client } = yield* Server
        const elsewhere = yield* outside
        for (const round of Array.from({ length: amount(1, 3) }, (_, index) => index)) {
          const box = yield* sdk(() => client.Sandbox.create())
          yield* sdk(() => box.files.write("maker.pl", maker))
          yield* output(
            box,
            `mkdir trees changing; perl maker.pl trees ${round * INSIDE} ${INSIDE} '${elsewhere.folder}' >/dev/null; setsid -f perl maker.pl changing ${round * INSIDE} 10 '${elsewhere.folder}' race >made 2>&1; until [ -s made ]; do :; done`
          )
          const { snapshotId } = yield* sdk(() => box.createSnapshot())
          const copy = yield* sdk(() => client.Sandbox.create(snapshotId))
          const [forked] = yield* sdk(() => box.fork({ timeoutMs: 60_000 }))
          for (const one of [copy, forked]) {
            if (one === undefined || one instanceof Error) return assert.fail(String(one))
            assert.strictEqual(yield* output(one, `grep -rsl -D skip ${SECRET} . || true`), "")
            const entries = yield* sdk(() => one.files.list("trees", { depth: 3 }))
            const links = entries.filter(({ symlinkTarget }) => symlinkTarget !== undefined).slice(0, 5)
            for (const { path } of links) {
              assert.notInclude(yield* Effect.promise(() => one.files.read(path).catch(() => "")), SECRET)
            }
            yield* output(one, "chmod -R u+rwx trees")
            yield* sdk(() => one.files.remove("trees"))
            assert.strictEqual(yield* output(one, "ls -d trees 2>/dev/null || true"), "")
            yield* sdk(() => one.kill())
          }
          yield* sdk(() => client.Sandbox.deleteSnapshot(snapshotId))
          yield* sdk(() => box.kill())
          yield* elsewhere.unchanged
        }
      })
    )
  })
})
