import { describeOnce } from "#test/once"
import { describeWhere } from "#test/where"
import { assert, it } from "@effect/vitest"
import { Effect, Option, Redacted, Schema } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { E2bServer } from "../../src/index.ts"
import * as OrphanCleanup from "../../src/sandboxes/OrphanCleanup.ts"
import * as ProcessOwner from "../../src/host/ProcessOwner.ts"
import {
  best,
  clientOf,
  eventually,
  isolated,
  leftOnHost,
  modes,
  noise,
  byMode,
  sdk,
  temporaryFolder,
  works
} from "../support/support.ts"

const fixture = fileURLToPath(import.meta.resolve("../fixtures/serve.ts"))
const decodeAnnouncement = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Struct({ url: Schema.String, apiKey: Schema.String }))
)

/** A server in a process of its own. */
const serve = Effect.fnUntraced(function* (mode: string, directory: string, ...more: ReadonlyArray<string>) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [fixture, mode, directory, ...more], {
        stdio: ["ignore", "pipe", "inherit", "ipc"]
      })
    ),
    (started) => Effect.sync(() => void started.kill("SIGKILL"))
  )
  const line = yield* Effect.callback<string>((resume) => {
    child.stdout?.once("data", (chunk: Buffer) => resume(Effect.succeed(chunk.toString())))
  })
  const { apiKey, url } = yield* decodeAnnouncement(line)
  const end = (signal: NodeJS.Signals) =>
    Effect.callback<void>((resume) => {
      child.once("exit", () => resume(Effect.void))
      child.kill(signal)
    })
  const memory = Effect.callback<number>((resume) => {
    child.once("message", (rss) => resume(Effect.succeed(Number(rss))))
    child.send("memory")
  })
  return { client: clientOf(url, apiKey), end, memory }
})

/** How many processes of the host carry the mark in their arguments. */
const countMarked = (mark: string) =>
  Effect.promise(async () => {
    const pids = (await Fs.readdir("/proc")).filter((name) => /^\d+$/.test(name))
    const lines = await Promise.all(
      pids.map((pid) => Fs.readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""))
    )
    return lines.filter((line) => line.includes(mark)).length
  })

const linux = process.platform === "linux"

byMode(linux ? modes : [], "a server that is killed", (mode) => {
  it.live.each([{ state: "running" }, { state: "paused" }])(
    "leaves no process of a $state sandbox, and the next start removes its folder",
    ({ state }) =>
      Effect.gen(function* () {
        const directory = yield* temporaryFolder
        // With a disk of its own where that is possible, which does not end with the server.
        const server = yield* serve(mode, directory, `${64 * 1024 * 1024}`)
        const box = yield* sdk(() => server.client.Sandbox.create())
        const mark = `6${process.pid}${state === "running" ? 1 : 2}`
        // As a child, and after setsid, which is how commands that are killed as a group are run.
        const handle = yield* sdk(() =>
          box.commands.run(`sleep ${mark} & echo up; exec setsid bash -c 'sleep ${mark} & sleep ${mark}'`, {
            background: true,
            timeoutMs: 0
          })
        )
        handle.wait().catch(() => {})
        yield* eventually(Effect.map(countMarked(`\0${mark}\0`), (count) => count === 3))
        if (state === "paused") yield* sdk(() => box.pause())
        yield* server.end("SIGKILL")
        yield* eventually(Effect.map(countMarked(mark), (count) => count === 0))
        assert.lengthOf(yield* Effect.promise(() => Fs.readdir(directory)), 1)
        yield* Effect.scoped(
          Effect.provide(E2bServer.E2bServer, E2bServer.layer({ isolation: "none", directory }))
        )
        assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(directory)), [])
        assert.deepStrictEqual(yield* leftOnHost(directory, [box.sandboxId]), [])
      })
  )

  it.live("stops during creations without leaving a sandbox", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const creates: Array<Promise<unknown>> = []
      yield* Effect.gen(function* () {
        const server = yield* E2bServer.E2bServer
        const client = clientOf(server.url, Redacted.value(server.apiKey))
        for (let index = 0; index < 12; index++)
          creates.push(client.Sandbox.create().catch((error: unknown) => error))
        // Some are there, some are on their way, some wait.
        yield* eventually(Effect.map(server.live, (live) => live > 0))
      }).pipe(Effect.provide(E2bServer.layer({ isolation: mode, directory })))
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(directory)), [])
      assert.strictEqual(yield* countMarked(directory), 0)
      yield* Effect.promise(() => Promise.all(creates))
    })
  )

  it.live("kills its sandboxes and removes its folder when it is asked to stop", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const server = yield* serve(mode, directory)
      const box = yield* sdk(() => server.client.Sandbox.create())
      const mark = `7${process.pid}`
      const handle = yield* sdk(() =>
        box.commands.run(`mkdir shut; touch shut/in; chmod 000 shut; sleep ${mark}`, { background: true })
      )
      handle.wait().catch(() => {})
      yield* eventually(Effect.map(countMarked(`\0${mark}\0`), (count) => count === 1))
      yield* server.end("SIGTERM")
      assert.strictEqual(yield* countMarked(mark), 0)
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(directory)), [])
    })
  )
})

describeOnce("the memory", () => {
  describeWhere(linux && isolated.some(works), "no isolation works here")("of a server", () => {
    it.live("does not grow with the files that pass through it", () =>
      Effect.gen(function* () {
        const server = yield* serve(best, yield* temporaryFolder)
        const box = yield* sdk(() => server.client.Sandbox.create())
        yield* sdk(() => box.files.write("warm", "x"))
        const before = yield* server.memory
        const bytes = noise(50_000_000)
        for (let round = 0; round < 3; round++) {
          yield* sdk(() => box.files.write("big", new Blob([new Uint8Array(bytes).buffer]).stream()))
          yield* sdk(() => box.files.write("form", new Uint8Array(bytes).buffer))
          yield* sdk(() => box.files.read("form", { format: "bytes" }))
        }
        const grown = ((yield* server.memory) - before) / 1e6
        // 450 MB have passed.
        assert.isBelow(grown, 200)
        yield* sdk(() => box.kill())
        yield* server.end("SIGTERM")
      })
    )
  })
})

const start = (directory: string) => E2bServer.layer({ isolation: "none", directory })

describeOnce("the folder of servers", () => {
  it.live("is shared by servers that start at once, and each removes only its own", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const folders = Effect.promise(() => Fs.readdir(directory))
      yield* Effect.forEach(
        Array.from({ length: 6 }, (_, index) => index),
        () =>
          Effect.gen(function* () {
            const server = yield* E2bServer.E2bServer
            assert.isAtLeast((yield* folders).length, 1)
            assert.strictEqual(yield* server.live, 0)
          }).pipe(Effect.provide(start(directory), { local: true })),
        { concurrency: 6 }
      )
      assert.deepStrictEqual(yield* folders, [])
    })
  )

  it.live("keeps folders of running servers and foreign ones, and removes those of dead servers", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const own = yield* ProcessOwner.self
      const encode = Schema.encodeEffect(Schema.fromJsonString(ProcessOwner.Owner))
      const put = Effect.fnUntraced(function* (name: string, owner: Option.Option<ProcessOwner.Owner>) {
        const json = Option.isSome(owner) ? yield* encode(owner.value) : ""
        yield* Effect.promise(async () => {
          await Fs.mkdir(Path.join(directory, name, "i1", "home"), { recursive: true })
          if (json !== "") await Fs.writeFile(Path.join(directory, name, "owner.json"), json)
        })
      })
      const dead = 0x3ffffff
      yield* put(`${own.pid}-aa`, Option.some(own))
      yield* put(`${own.pid}-bb`, Option.some(new ProcessOwner.Owner({ ...own, startedAt: "another time" })))
      yield* put(`${own.pid}-cc`, Option.none())
      yield* put(`${dead}-dd`, Option.none())
      yield* put(`${dead}-ee`, Option.some(new ProcessOwner.Owner({ ...own, pid: dead })))
      yield* put(
        `${dead}-ff`,
        Option.some(new ProcessOwner.Owner({ ...own, pid: dead, namespace: "pid:[1]" }))
      )
      yield* put("something-else", Option.none())
      yield* OrphanCleanup.sweep(directory)
      const left = yield* Effect.promise(() => Fs.readdir(directory))
      assert.deepStrictEqual(
        left.toSorted(),
        [`${dead}-ff`, `${own.pid}-aa`, `${own.pid}-cc`, "something-else"].toSorted()
      )
    })
  )

  it.live("kills the recorded processes of a dead server, and no process that only has the same pid", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const child = yield* Effect.acquireRelease(
        Effect.sync(() => spawn("sleep", ["600"], { detached: true, stdio: "ignore" })),
        (started) => Effect.sync(() => void started.kill("SIGKILL"))
      )
      const pid = child.pid ?? 0
      const sandboxOf = Effect.fnUntraced(function* (name: string) {
        const folder = Path.join(directory, name, "i1")
        yield* Effect.promise(() => Fs.mkdir(folder, { recursive: true }))
        return folder
      })
      const stale = yield* sandboxOf("67108863-aa")
      yield* Effect.promise(() =>
        Fs.writeFile(Path.join(stale, "processes"), `${pid}\tanother time\n1\tx\nnonsense\n`)
      )
      yield* OrphanCleanup.sweep(directory)
      assert.isTrue(Option.isSome(yield* ProcessOwner.startOf(pid)))
      assert.isNull(child.signalCode)
      const real = yield* sandboxOf("67108863-bb")
      yield* ProcessOwner.record(real, pid)
      yield* OrphanCleanup.sweep(directory)
      yield* eventually(Effect.sync(() => child.signalCode === "SIGKILL"))
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(directory)), [])
    })
  )

  it.live("is refused when it is a link, a file or open to others", () =>
    Effect.gen(function* () {
      const parent = yield* temporaryFolder
      const path = (name: string) => Path.join(parent, name)
      yield* Effect.promise(async () => {
        await Fs.mkdir(path("real"))
        await Fs.symlink(path("real"), path("link"))
        await Fs.writeFile(path("file"), "")
        await Fs.mkdir(path("open"))
        await Fs.chmod(path("open"), 0o777)
      })
      for (const name of ["link", "file", "open"]) {
        const error = yield* Effect.flip(
          Effect.scoped(Effect.provide(E2bServer.E2bServer, start(path(name))))
        )
        assert.strictEqual(error.reason._tag, "DirectoryUnusable", name)
        assert.include(error.message, path(name))
        assert.isFalse(error.isRetryable)
      }
    })
  )

  it.live("reports a port that is in use", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      const first = yield* Effect.flatMap(E2bServer.E2bServer, (server) => {
        const port = Number(new URL(server.url).port)
        return Effect.flip(
          Effect.scoped(
            Effect.provide(E2bServer.E2bServer, E2bServer.layer({ isolation: "none", directory, port }), {
              local: true
            })
          )
        )
      }).pipe(Effect.provide(start(directory)))
      assert.strictEqual(first.reason._tag, "ListenFailed")
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(directory)), [])
    })
  )
})
