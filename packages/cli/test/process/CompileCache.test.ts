import { describeWhere } from "#test/where"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { chmod, chown, mkdir, readdir, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { folderOf } from "../../src/process/CompileCache.ts"
import { bin, finish, folder, run } from "../support/support.ts"

const { PATH } = process.env
const limit = { timeout: 60_000 }

/** Asks the binary for its help, with a home, and no setting of this machine that is about caches. */
const help = (home: string) =>
  Effect.promise(() =>
    finish(
      spawn(process.execPath, [bin, "--help"], {
        env: { PATH, HOME: home },
        stdio: ["ignore", "pipe", "pipe"]
      })
    )
  )

const works = Effect.fnUntraced(function* (home: string) {
  const { code, stderr, stdout } = yield* help(home)
  assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
  assert.match(stdout, /Usage:/)
})

const cacheOf = (home: string) => join(home, ".cache", "remote-agent")

/** Every file that is kept there. */
const kept = (home: string) =>
  Effect.promise(async () => {
    const all = await readdir(cacheOf(home), { recursive: true, withFileTypes: true })
    return all.filter((entry) => entry.isFile()).map(({ name }) => name)
  })

const made = (home: string) => Effect.promise(() => mkdir(cacheOf(home), { recursive: true, mode: 0o700 }))

const at = (env: Readonly<Record<string, string>>) => folderOf({ env, home: "/home/somebody" })

it("keeps compiled code in the cache folder of the user", () => {
  assert.strictEqual(at({}), "/home/somebody/.cache/remote-agent")
  assert.strictEqual(at({ XDG_CACHE_HOME: "/caches" }), "/caches/remote-agent")
  assert.strictEqual(at({ XDG_CACHE_HOME: "caches" }), "/home/somebody/.cache/remote-agent")
  assert.strictEqual(at({ XDG_CACHE_HOME: "" }), "/home/somebody/.cache/remote-agent")
})

describe("the binary", limit, () => {
  it.live("keeps its compiled code for its user alone, also when several start at once", () =>
    Effect.gen(function* () {
      const home = yield* folder
      yield* Effect.all([works(home), works(home), works(home)], { concurrency: "unbounded" })
      assert.strictEqual((yield* Effect.promise(() => stat(cacheOf(home)))).mode & 0o777, 0o700)
      const before = yield* kept(home)
      assert.isAbove(before.length, 0)
      yield* works(home)
      assert.sameMembers([...(yield* kept(home))], [...before])
    })
  )

  it.live("takes no compiled code from a folder that others can write in", () =>
    Effect.gen(function* () {
      const home = yield* folder
      yield* made(home)
      yield* Effect.promise(() => chmod(cacheOf(home), 0o770))
      yield* works(home)
      assert.deepStrictEqual(yield* kept(home), [])
    })
  )

  it.live("leaves no trace where nothing is to be kept", () =>
    Effect.gen(function* () {
      const home = yield* folder
      assert.strictEqual((yield* run(home, ["--help"], { NODE_DISABLE_COMPILE_CACHE: "1" })).code, 0)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(home)), [])
    })
  )

  it.live("does without where no folder can be made", () =>
    Effect.gen(function* () {
      const home = join(yield* folder, "file")
      yield* Effect.promise(() => writeFile(home, ""))
      yield* works(home)
    })
  )
})

describeWhere(process.getuid?.() === 0, "only the superuser can give a folder away")("the binary", () => {
  it.live("takes no compiled code from the folder of another user", () =>
    Effect.gen(function* () {
      const home = yield* folder
      yield* made(home)
      yield* Effect.promise(() => chown(cacheOf(home), 65_534, 65_534))
      yield* works(home)
      assert.deepStrictEqual(yield* kept(home), [])
    })
  )
})
