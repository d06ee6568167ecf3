import { describeWhere } from "#test/where"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Logger, Option, Redacted, Scope } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Http from "node:http"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { Daemon, DaemonControl, DaemonError, DaemonFile, DaemonStart } from "../../src/index.ts"
import * as DaemonGate from "../../src/daemon/DaemonGate.ts"
import * as DaemonLog from "../../src/daemon/DaemonLog.ts"
import * as FileLock from "../../src/host/FileLock.ts"
import * as HostProcess from "../../src/host/HostProcess.ts"
import * as ProcessOwner from "../../src/host/ProcessOwner.ts"
import { clientOf, eventually, sdk, temporaryFolder } from "../support/support.ts"

const entryOf = (
  owner: ProcessOwner.Owner,
  more: Partial<Pick<DaemonFile.Entry, "isolation" | "waived" | "version">> = {}
) =>
  new DaemonFile.Entry({
    owner,
    version: "1.0.0",
    apiUrl: "http://127.0.0.1:1",
    sandboxUrl: "http://127.0.0.1:1",
    apiKey: Redacted.make("e2b_fake"),
    isolation: "none",
    waived: false,
    background: true,
    startedAt: 0,
    ...more
  })

const holder = fileURLToPath(import.meta.resolve("../fixtures/hold.ts"))

describe("the lock of a file", () => {
  it.live("has one holder, in this process too, until its scope closes", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryFolder, "lock")
      const first = yield* Scope.make()
      assert.isTrue(yield* Scope.provide(FileLock.tryAcquire(path), first))
      assert.isFalse(yield* Effect.scoped(FileLock.tryAcquire(path)))
      yield* Scope.close(first, Exit.void)
      assert.isTrue(yield* Effect.scoped(FileLock.tryAcquire(path)))
    })
  )

  it.live("is free again when its holder is killed", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryFolder, "lock")
      const child = yield* Effect.acquireRelease(
        Effect.sync(() => spawn(process.execPath, [holder, path], { stdio: ["ignore", "pipe", "inherit"] })),
        (started) => Effect.sync(() => void started.kill("SIGKILL"))
      )
      yield* Effect.callback<void>((resume) => {
        child.stdout.once("data", () => resume(Effect.void))
      })
      assert.isFalse(yield* Effect.scoped(FileLock.tryAcquire(path)))
      yield* Effect.callback<void>((resume) => {
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
      assert.isTrue(yield* Effect.scoped(FileLock.tryAcquire(path)))
    })
  )

  it.live("is refused where a file cannot be locked", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = Path.join(folder, "other")
      yield* Effect.promise(() => Fs.writeFile(file, "something else, and much of it\n".repeat(100)))
      for (const path of [file, Path.join(folder, "missing", "lock"), folder]) {
        const error = yield* Effect.flip(Effect.scoped(FileLock.tryAcquire(path)))
        assert.strictEqual(error.path, path)
      }
    })
  )
})

const request = (method: string, url: string) =>
  HttpServerRequest.fromWeb(new Request(`http://127.0.0.1${url}`, { method }))

/** Sends a request through a gate; it is answered when `done` is. */
const send = (
  gate: DaemonGate.Gate,
  method: string,
  url: string,
  done: Effect.Effect<void> = Effect.void,
  answer = 200
) =>
  gate.middleware(Effect.as(done, HttpServerResponse.empty({ status: answer }))).pipe(
    Effect.provideService(HttpServerRequest.HttpServerRequest, request(method, url)),
    Effect.map(({ status }) => status)
  )

describe("the gate of a daemon", () => {
  const idle = 1000

  it.effect("is idle after the given time without a sandbox and without a request", () =>
    Effect.gen(function* () {
      const gate = yield* DaemonGate.make
      yield* TestClock.adjust(999)
      assert.isFalse(yield* gate.shutIfIdle(idle, 0))
      assert.strictEqual(yield* send(gate, "GET", "/v2/sandboxes"), 200)
      yield* TestClock.adjust(999)
      assert.isFalse(yield* gate.shutIfIdle(idle, 0))
      assert.isFalse(yield* gate.shutIfIdle(idle, 1))
      yield* TestClock.adjust(999)
      assert.isFalse(yield* gate.shutIfIdle(idle, 0))
      yield* TestClock.adjust(1)
      assert.isTrue(yield* gate.shutIfIdle(idle, 0))
      for (const path of ["/v2/sandboxes", "/daemon", "/daemon/presence"]) {
        assert.strictEqual(yield* send(gate, "GET", path), 503)
      }
      assert.strictEqual(yield* send(gate, "POST", "/daemon/stop"), 200)
    })
  )

  it.effect(
    "is not idle during a request; a status request or a request without the key does not count",
    () =>
      Effect.gen(function* () {
        const gate = yield* DaemonGate.make
        const left = yield* Deferred.make<void>()
        const user = yield* Effect.forkChild(send(gate, "GET", "/daemon/presence", Deferred.await(left)))
        yield* TestClock.adjust(5000)
        assert.isFalse(yield* gate.shutIfIdle(idle, 0))
        yield* Deferred.succeed(left, undefined)
        yield* Fiber.join(user)
        yield* TestClock.adjust(500)
        assert.strictEqual(yield* send(gate, "GET", "/daemon"), 200)
        assert.strictEqual(yield* send(gate, "GET", "/v2/sandboxes", Effect.void, 401), 401)
        yield* TestClock.adjust(500)
        assert.isTrue(yield* gate.shutIfIdle(idle, 0))
      })
  )

  it.effect("stays open while a sandbox is being created, unless forced", () =>
    Effect.gen(function* () {
      const gate = yield* DaemonGate.make
      const made = yield* Deferred.make<void>()
      const create = yield* Effect.forkChild(send(gate, "POST", "/v2/sandboxes", Deferred.await(made)))
      yield* Effect.yieldNow
      assert.strictEqual(yield* gate.shut(false), 1)
      assert.strictEqual(yield* send(gate, "GET", "/v2/sandboxes"), 200)
      assert.strictEqual(yield* gate.shut(true), 1)
      assert.strictEqual(yield* send(gate, "GET", "/v2/sandboxes"), 503)
      yield* gate.open
      assert.strictEqual(yield* send(gate, "GET", "/v2/sandboxes"), 200)
      yield* Deferred.succeed(made, undefined)
      yield* Fiber.join(create)
      assert.strictEqual(yield* gate.shut(false), 0)
      assert.strictEqual(yield* send(gate, "POST", "/v2/sandboxes"), 503)
    })
  )
})

describe("the log of a daemon", () => {
  it.live("keeps the newest entries in two files of limited size", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryFolder, "log")
      const limit = 2000
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, index) => index),
        (index) => Effect.logInfo(`entry ${index}`),
        { discard: true }
      ).pipe(Effect.provide(Logger.layer([DaemonLog.logger(path, limit)])))
      const [now, before] = yield* Effect.promise(() =>
        Promise.all([path, `${path}.1`].map((file) => Fs.readFile(file, "utf8")))
      )
      assert.isAtMost(now?.length ?? 0, limit)
      assert.isAtMost(before?.length ?? 0, limit)
      const lines = `${before}${now}`.trimEnd().split("\n")
      assert.isAbove(lines.length, 5)
      assert.deepStrictEqual(
        lines.map((line) => JSON.parse(line).message),
        lines.map((_, index) => `entry ${200 - lines.length + index}`)
      )
      assert.strictEqual((yield* Effect.promise(() => Fs.stat(path))).mode & 0o777, 0o600)
    })
  )
})

describe("the file of a daemon", () => {
  it.live("is read as it was written and is accessible to its user alone", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      assert.deepStrictEqual(yield* DaemonFile.read(folder), { _tag: "Missing" })
      const entry = entryOf(yield* ProcessOwner.self)
      yield* DaemonFile.write(folder, entry)
      const read = yield* DaemonFile.read(folder)
      assert.deepStrictEqual(read, { _tag: "Read", entry })
      assert.notInclude(JSON.stringify(read), "e2b_fake")
      const { mode } = yield* Effect.promise(() => Fs.stat(DaemonFile.paths(folder).entry))
      assert.strictEqual(mode & 0o777, 0o600)
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(folder)), ["local.json"])
    })
  )

  it.live("is damaged when it has other content, points to another host, or others can write to it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { entry: path } = DaemonFile.paths(folder)
      yield* DaemonFile.write(folder, entryOf(yield* ProcessOwner.self))
      const text = yield* Effect.promise(() => Fs.readFile(path, "utf8"))
      const damaged = Effect.map(DaemonFile.read(folder), (read) => read._tag === "Damaged")
      for (const other of ["", "{", "[]", text.replace("127.0.0.1", "10.0.0.1"), text.slice(0, -10)]) {
        yield* Effect.promise(() => Fs.writeFile(path, other))
        assert.isTrue(yield* damaged, other)
      }
      yield* Effect.promise(() => Fs.writeFile(path, text))
      assert.isFalse(yield* damaged)
      yield* Effect.promise(() => Fs.chmod(path, 0o666))
      assert.isTrue(yield* damaged)
      yield* Effect.promise(async () => {
        await Fs.rm(path)
        await Fs.symlink("/etc/passwd", path)
      })
      assert.isTrue(yield* damaged)
    })
  )

  it.live("is removed only by its own daemon", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const own = yield* ProcessOwner.self
      const mine = entryOf(own)
      yield* DaemonFile.write(folder, mine)
      yield* DaemonFile.remove(folder, entryOf(new ProcessOwner.Owner({ ...own, startedAt: "another time" })))
      assert.isTrue(yield* DaemonFile.says(folder, mine))
      yield* DaemonFile.remove(folder, mine)
      assert.deepStrictEqual(yield* DaemonFile.read(folder), { _tag: "Missing" })
    })
  )
})

describe("the file of a daemon that was removed or damaged", () => {
  it.live("is restored unless the folder belongs to another daemon", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { entry: file, lock: path } = DaemonFile.paths(folder)
      const entry = entryOf(yield* ProcessOwner.self)
      yield* Effect.promise(() => Fs.writeFile(path, ""))
      const lock = yield* DaemonFile.lockOf(folder)
      for (const harm of [() => Fs.rm(file), () => Fs.writeFile(file, "{")]) {
        yield* DaemonFile.write(folder, entry)
        assert.isFalse(yield* DaemonFile.restore(folder, entry, lock))
        yield* Effect.promise(harm)
        assert.isTrue(yield* DaemonFile.restore(folder, entry, lock))
        assert.isTrue(yield* DaemonFile.says(folder, entry))
      }
      yield* Effect.promise(() => Fs.rm(file))
      yield* Effect.promise(() => Fs.rename(path, `${path}.old`))
      assert.isFalse(yield* DaemonFile.restore(folder, entry, lock))
      assert.isFalse(yield* DaemonFile.restore(folder, entry, Option.none()))
      yield* Effect.promise(() => Fs.writeFile(path, ""))
      assert.isFalse(yield* DaemonFile.restore(folder, entry, lock))
      assert.deepStrictEqual(yield* DaemonFile.read(folder), { _tag: "Missing" })
    })
  )
})

describeWhere(process.platform === "linux", "only on Linux")("a process that only waits to be buried", () => {
  it.live("is dead", () =>
    Effect.gen(function* () {
      // It becomes a program that does not look after its children, and its child ends only then.
      const parent = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(
            "sh",
            ["-c", '(until [ "$(cat /proc/$$/comm)" = sleep ]; do :; done) & echo $!; exec sleep 600'],
            { stdio: ["ignore", "pipe", "inherit"] }
          )
        ),
        (started) => Effect.sync(() => void started.kill("SIGKILL"))
      )
      const pid = yield* Effect.callback<number>((resume) => {
        parent.stdout.once("data", (text: Buffer) => resume(Effect.succeed(Number(text.toString()))))
      })
      const state = Effect.promise(() => Fs.readFile(`/proc/${pid}/stat`, "utf8"))
      yield* eventually(Effect.map(state, (text) => text.includes(") Z ")))
      const owner = new ProcessOwner.Owner({ ...(yield* ProcessOwner.self), pid, startedAt: null })
      assert.isTrue(yield* ProcessOwner.isOwnerDead(owner))
    })
  )
})

describe("a daemon that is not the requested one", () => {
  const owner = new ProcessOwner.Owner({ pid: 1, startedAt: "then", namespace: null })
  const reasonOf = (
    isolation: DaemonStart.Options["isolation"],
    entry: Parameters<typeof entryOf>[1],
    version = "1.0.0"
  ) => DaemonStart.mismatch({ folder: "/data", version, isolation }, entryOf(owner, entry))?.reason._tag

  it("is of another version, or isolates in another way than was asked for", () => {
    const bubblewrap = { isolation: "bubblewrap" } as const
    assert.isUndefined(reasonOf(undefined, bubblewrap))
    assert.isUndefined(reasonOf("bubblewrap", bubblewrap))
    assert.strictEqual(reasonOf("namespaces", bubblewrap), "IsolationMismatch")
    assert.strictEqual(reasonOf("none", bubblewrap), "IsolationMismatch")
    assert.strictEqual(reasonOf("auto", bubblewrap, "1.0.1"), "VersionMismatch")
    // None works here, and none was asked for.
    assert.isUndefined(reasonOf("auto", {}))
    assert.strictEqual(reasonOf("auto", { waived: true }), "IsolationMismatch")
    assert.isUndefined(reasonOf("none", { waived: true }))
    assert.isUndefined(reasonOf("none", {}))
  })
})

/** A daemon in this process. */
const serving = Effect.fnUntraced(function* (folder: string) {
  const ready = yield* Deferred.make<DaemonFile.Entry>()
  const fiber = yield* Effect.forkScoped(
    Daemon.serve({
      folder,
      version: "1.0.0",
      isolation: "none",
      onReady: (entry) => Effect.asVoid(Deferred.succeed(ready, entry))
    })
  )
  const entry = yield* Effect.raceFirst(
    Deferred.await(ready),
    Effect.andThen(Fiber.join(fiber), Effect.die("it has ended"))
  )
  return { entry, fiber }
})

const reasonOf = <A>(effect: Effect.Effect<A, DaemonError.DaemonError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

describe("a daemon", () => {
  it.live(
    "serves a folder alone, counts what it holds, and leaves nothing but its lock when told to end",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const { entry, fiber } = yield* serving(folder)
        assert.strictEqual(yield* reasonOf(Effect.scoped(serving(folder))), "AlreadyRunning")
        const client = clientOf(entry.apiUrl, Redacted.value(entry.apiKey))
        const boxes = yield* Effect.forEach([1, 2], () => sdk(() => client.Sandbox.create()))
        yield* sdk(async () => boxes[0]?.pause())
        const found = yield* DaemonControl.look(folder)
        assert.deepStrictEqual(found._tag === "Running" && { ...found.status, requests: 0 }, {
          owner: yield* ProcessOwner.self,
          running: 1,
          paused: 1,
          requests: 0,
          idleMillis: null
        })
        const refused = yield* Effect.flip(DaemonControl.askToStop(folder, entry, false))
        assert.deepStrictEqual(refused.reason, new DaemonError.SandboxesLeft({ running: 1, paused: 1 }))
        // To be refused changes nothing.
        yield* sdk(() => client.Sandbox.create())
        yield* DaemonControl.askToStop(folder, entry, true)
        assert.strictEqual(yield* Fiber.join(fiber), "stopped")
        assert.deepStrictEqual(yield* DaemonControl.look(folder), { _tag: "Missing" })
        assert.deepStrictEqual((yield* Effect.promise(() => Fs.readdir(folder))).toSorted(), [
          "local.lock",
          "sandboxes"
        ])
        assert.deepStrictEqual(
          yield* Effect.promise(() => Fs.readdir(DaemonFile.paths(folder).sandboxes)),
          []
        )
      })
  )

  it.live("stops with its process although a client uses it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { entry, fiber } = yield* serving(folder)
      yield* DaemonControl.presence(folder, entry)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* DaemonControl.look(folder), { _tag: "Missing" })
      const gone = yield* reasonOf(Effect.scoped(DaemonControl.presence(folder, entry)))
      assert.strictEqual(gone, "Unanswered")
    })
  )

  it.live("restores its file when it is removed", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { entry, fiber } = yield* serving(folder)
      yield* Effect.promise(() => Fs.rm(DaemonFile.paths(folder).entry))
      yield* eventually(DaemonFile.says(folder, entry))
      yield* Fiber.interrupt(fiber)
    })
  )

  it.live("stops and kills its sandboxes when its data folder is removed", () =>
    Effect.gen(function* () {
      const folder = Path.join(yield* temporaryFolder, "data")
      const { entry, fiber } = yield* serving(folder)
      const client = clientOf(entry.apiUrl, Redacted.value(entry.apiKey))
      const mark = `7${process.pid}1`
      const box = yield* sdk(() => client.Sandbox.create())
      const handle = yield* sdk(() =>
        box.commands.run(`exec sleep ${mark}`, { background: true, timeoutMs: 0 })
      )
      yield* Effect.promise(() => Fs.rm(folder, { recursive: true, force: true }))
      assert.strictEqual(yield* Fiber.join(fiber), "lost")
      const ended = yield* Effect.promise(() =>
        handle.wait().then(
          () => "ended",
          () => "ended"
        )
      )
      assert.strictEqual(ended, "ended")
      const running = yield* HostProcess.run({
        command: "pgrep",
        args: ["-f", mark],
        env: { PATH: "/usr/bin:/bin" }
      })
      assert.strictEqual(running.stdout.toString(), "")
      assert.isFalse(
        yield* Effect.promise(() =>
          Fs.access(folder).then(
            () => true,
            () => false
          )
        )
      )
    })
  )

  it.live("is known by its key and its process, not by its address", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { entry, fiber } = yield* serving(folder)
      const others = [
        new DaemonFile.Entry({
          ...entry,
          owner: new ProcessOwner.Owner({ ...entry.owner, startedAt: null })
        }),
        new DaemonFile.Entry({ ...entry, apiKey: Redacted.make("e2b_wrong") })
      ]
      for (const other of others) {
        yield* DaemonFile.write(folder, other)
        assert.strictEqual((yield* DaemonControl.look(folder))._tag, "Silent")
      }
      yield* DaemonFile.write(folder, entry)
      assert.strictEqual((yield* DaemonControl.look(folder))._tag, "Running")
      yield* Fiber.interrupt(fiber)
    })
  )

  it.live("counts its clients for as long as they are connected", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { fiber } = yield* serving(folder)
      const requests = Effect.map(DaemonControl.look(folder), (found) =>
        found._tag === "Running" ? found.status.requests : -1
      )
      const options = { folder, version: "1.0.0", isolation: "none", command: ["false"], env: {} } as const
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* DaemonStart.connect(options)
          yield* DaemonStart.connect(options)
          assert.strictEqual(yield* requests, 2)
        })
      )
      yield* eventually(Effect.map(requests, (count) => count === 0))
      yield* Fiber.interrupt(fiber)
    })
  )

  it.live("waits for a daemon that is stopping", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const asked = yield* Deferred.make<void>()
      const server = yield* Effect.acquireRelease(
        Effect.callback<Http.Server>((resume) => {
          const ending = Http.createServer((_, response) => {
            Deferred.doneUnsafe(asked, Effect.void)
            response.writeHead(503).end()
          })
          ending.listen(0, "127.0.0.1", () => resume(Effect.succeed(ending)))
        }),
        (ending) => Effect.sync(() => ending.close())
      )
      const address = server.address()
      const apiUrl = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
      yield* DaemonFile.write(
        folder,
        new DaemonFile.Entry({ ...entryOf(yield* ProcessOwner.self), apiUrl, sandboxUrl: apiUrl })
      )
      const held = yield* Scope.make()
      assert.isTrue(yield* Scope.provide(FileLock.tryAcquire(DaemonFile.paths(folder).lock), held))
      const next = yield* Effect.forkChild(serving(folder))
      yield* Effect.raceFirst(Deferred.await(asked), Effect.andThen(Fiber.join(next), Effect.die("too soon")))
      yield* Scope.close(held, Exit.void)
      const { entry, fiber } = yield* Fiber.join(next)
      assert.isTrue(yield* DaemonFile.says(folder, entry))
      yield* Fiber.interrupt(fiber)
    })
  )

  it.live("fails with NotRunning when no daemon serves", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      assert.strictEqual(yield* reasonOf(DaemonStart.stop(folder, true)), "NotRunning")
      yield* DaemonFile.write(
        folder,
        entryOf(new ProcessOwner.Owner({ pid: 0x3ffffff, startedAt: "then", namespace: null }))
      )
      assert.strictEqual(yield* reasonOf(DaemonStart.stop(folder, true)), "NotRunning")
      yield* DaemonFile.write(folder, entryOf(yield* ProcessOwner.self))
      assert.strictEqual(yield* reasonOf(DaemonStart.stop(folder, true)), "Unanswered")
      yield* Effect.promise(() => Fs.writeFile(DaemonFile.paths(folder).entry, "x"))
      assert.strictEqual(yield* reasonOf(DaemonStart.stop(folder, true)), "FileUnusable")
    })
  )
})
