import { assert, layer } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { CommandExitError, SandboxError, SandboxNotFoundError, TimeoutError } from "e2b"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import {
  Server,
  eventually,
  failure,
  modes,
  output,
  sandbox,
  sdk,
  serverLayer,
  byMode
} from "../support/support.ts"

byMode(modes, "sandboxes", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("are created with the given options, shown by info, and removed by kill", () =>
      Effect.gen(function* () {
        const { client, live } = yield* Server
        const before = yield* live
        const box = yield* sdk(() =>
          client.Sandbox.create("base", { metadata: { a: "1" }, timeoutMs: 60_500 })
        )
        assert.match(box.sandboxId, /^i[0-9a-z]{19}$/)
        const info = yield* sdk(() => box.getInfo())
        assert.strictEqual(info.sandboxId, box.sandboxId)
        assert.strictEqual(info.templateId, "base")
        assert.deepStrictEqual(info.metadata, { a: "1" })
        assert.strictEqual(info.state, "running")
        const seconds = (info.endAt.getTime() - info.startedAt.getTime()) / 1000
        assert.strictEqual(Math.floor(seconds), 61)
        assert.isTrue(yield* sdk(() => box.isRunning()))
        assert.strictEqual(yield* live, before + 1)
        assert.isTrue(yield* sdk(() => box.kill()))
        assert.strictEqual(yield* live, before)
        assert.isFalse(yield* sdk(() => box.kill()))
        assert.isFalse(yield* sdk(() => box.isRunning()))
        assert.instanceOf(yield* failure(() => box.getInfo()), SandboxNotFoundError)
        assert.instanceOf(yield* failure(() => client.Sandbox.connect(box.sandboxId)), SandboxNotFoundError)
        assert.instanceOf(yield* failure(() => box.setTimeout(1000)), SandboxNotFoundError)
        assert.instanceOf(yield* failure(() => box.pause()), SandboxNotFoundError)
      })
    )

    it.effect("have a default ttl of 300 seconds; connect only extends it, setTimeout also shortens it", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const left = Effect.map(
          sdk(() => box.getInfo()),
          (info) => Math.round((info.endAt.getTime() - info.startedAt.getTime()) / 1000)
        )
        assert.strictEqual(yield* left, 300)
        yield* sdk(() => box.connect({ timeoutMs: 10_000 }))
        assert.strictEqual(yield* left, 300)
        yield* sdk(() => box.connect({ timeoutMs: 900_000 }))
        assert.isAtLeast(yield* left, 900)
        yield* sdk(() => box.setTimeout(30_000))
        assert.isBelow(yield* left, 300)
      })
    )

    it.effect("keep processes, memory and files over a pause and run nothing during it", () =>
      Effect.gen(function* () {
        const { directory } = yield* Server
        const box = yield* sandbox()
        yield* sdk(() => box.files.write("kept", "k"))
        const counting = yield* sdk(() =>
          box.commands.run('i=0; while :; do i=$((i+1)); echo "$i" > count; sleep 0.01; done', {
            background: true,
            timeoutMs: 0
          })
        )
        const lost = counting.wait().catch((error: unknown) => error)
        const [server = ""] = yield* Effect.promise(() => Fs.readdir(directory))
        const file = Path.join(directory, server, box.sandboxId, "home", "count")
        const count = Effect.promise(async () => Number(await Fs.readFile(file, "utf8").catch(() => "0")))
        yield* eventually(Effect.map(count, (value) => value > 3))

        assert.isTrue(yield* sdk(() => box.pause()))
        assert.isFalse(yield* sdk(() => box.pause()))
        assert.strictEqual((yield* sdk(() => box.getInfo())).state, "paused")
        assert.isFalse(yield* sdk(() => box.isRunning()))
        // The stream of the command was cut.
        assert.instanceOf(yield* Effect.promise(() => lost), SandboxError)
        assert.instanceOf(yield* failure(() => box.commands.run("echo no")), SandboxNotFoundError)
        assert.instanceOf(yield* failure(() => box.files.read("kept")), TimeoutError)
        const frozen = yield* count
        // A time in which it would have counted on, not a wait for anything.
        yield* Effect.sleep("300 millis")
        assert.strictEqual(yield* count, frozen)

        yield* sdk(() => box.connect({ timeoutMs: 60_000 }))
        assert.strictEqual((yield* sdk(() => box.getInfo())).state, "running")
        assert.deepStrictEqual(
          (yield* sdk(() => box.commands.list())).map(({ pid }) => pid),
          [counting.pid]
        )
        yield* eventually(Effect.map(count, (value) => value > frozen + 3))
        assert.strictEqual(yield* sdk(() => box.files.read("kept")), "k")
        const again = yield* sdk(() => box.commands.connect(counting.pid))
        assert.isTrue(yield* sdk(() => box.commands.kill(counting.pid)))
        const ended = yield* failure(() => again.wait())
        assert.instanceOf(ended, CommandExitError)
      })
    )

    it.effect("can be killed while they are paused", () =>
      Effect.gen(function* () {
        const { client, live } = yield* Server
        const box = yield* sdk(() => client.Sandbox.create())
        yield* sdk(() => box.commands.run("sleep 600", { background: true }))
        yield* sdk(() => box.pause())
        assert.isTrue(yield* sdk(() => box.kill()))
        assert.strictEqual(yield* live, 0)
      })
    )

    it.effect("are killed or paused by the server at the end of their ttl", () =>
      Effect.gen(function* () {
        const { client, live } = yield* Server
        const dies = yield* sdk(() => client.Sandbox.create({ timeoutMs: 1000 }))
        const sleeps = yield* sandbox({ timeoutMs: 1000, lifecycle: { onTimeout: "pause" } })
        yield* eventually(
          Effect.map(
            sdk(() => sleeps.getInfo()),
            (info) => info.state === "paused"
          )
        )
        yield* eventually(Effect.map(live, (count) => count === 1))
        assert.instanceOf(yield* failure(() => dies.getInfo()), SandboxNotFoundError)
        yield* sdk(() => sleeps.connect())
        assert.strictEqual(yield* output(sleeps, "echo awake"), "awake")
      })
    )

    it.effect("are resumed by traffic when they were created so, and not by a request for their state", () =>
      Effect.gen(function* () {
        const { url } = yield* Server
        const box = yield* sandbox({ timeoutMs: 1000, lifecycle: { onTimeout: "pause", autoResume: true } })
        yield* sdk(() => box.files.write("kept", "k"))
        const state = Effect.map(
          sdk(() => box.getInfo()),
          (info) => info.state
        )
        yield* eventually(Effect.map(state, (now) => now === "paused"))
        assert.deepStrictEqual((yield* sdk(() => box.getInfo())).lifecycle, {
          onTimeout: "pause",
          autoResume: true
        })
        // Nobody wakes it without its token.
        for (const path of ["/health", "/files?path=kept"]) {
          const headers = { "e2b-sandbox-id": box.sandboxId, "x-access-token": "wrong" }
          const reply = yield* sdk(() => fetch(`${url}${path}`, { headers }).then((answer) => answer.text()))
          assert.notStrictEqual(reply, "k")
        }
        assert.strictEqual(yield* state, "paused")
        assert.strictEqual(yield* output(box, "cat kept"), "k")
        const info = yield* sdk(() => box.getInfo())
        assert.strictEqual(info.state, "running")
        assert.isAtLeast((info.endAt.getTime() - info.startedAt.getTime()) / 1000, 300)
        yield* sdk(() => box.pause())
        assert.deepStrictEqual(
          yield* Effect.all([output(box, "echo a"), output(box, "echo b")], { concurrency: 2 }),
          ["a", "b"]
        )
        yield* sdk(() => box.pause())
        assert.isTrue(yield* sdk(() => box.isRunning()))
      })
    )

    it.effect("report the usage of their own processes only", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const other = yield* sandbox()
        const last = (one: typeof box) =>
          Effect.map(
            sdk(() => one.getMetrics()),
            (metrics) => metrics.at(-1)
          )
        const before = yield* last(box)
        assert.isAbove(before?.cpuCount ?? 0, 0)
        assert.isAbove(before?.memTotal ?? 0, before?.memUsed ?? 0)
        assert.isAbove(before?.diskTotal ?? 0, before?.diskUsed ?? 0)
        yield* sdk(() =>
          box.commands.run('exec node -e "const b = Buffer.alloc(64e6, 1); for (;;) b[0]++"', {
            background: true,
            timeoutMs: 0
          })
        )
        yield* eventually(
          Effect.map(last(box), (now) => (now?.memUsed ?? 0) > 64e6 && (now?.cpuUsedPct ?? 0) > 5)
        )
        assert.isBelow((yield* last(other))?.memUsed ?? 0, 50e6)
        const now = yield* last(box)
        const later = DateTime.toDateUtc(DateTime.makeUnsafe((now?.timestamp.getTime() ?? 0) + 60_000))
        assert.deepStrictEqual(yield* sdk(() => box.getMetrics({ start: later })), [])
      })
    )

    it.effect("are listed in either order, by template and by start", () =>
      Effect.gen(function* () {
        const { client } = yield* Server
        const source = yield* sandbox()
        for (const name of ["one", "two"]) yield* sdk(() => source.createSnapshot({ name }))
        yield* sdk(() => source.kill())
        const create = (template: string) =>
          Effect.acquireRelease(
            sdk(() => client.Sandbox.create(template)),
            (box) => Effect.orDie(sdk(() => box.kill()))
          )
        const first = yield* create("one")
        const second = yield* create("two")
        const third = yield* create("one")
        const ids = (options: Parameters<typeof client.Sandbox.list>[0]) =>
          Effect.map(
            sdk(() => client.Sandbox.list(options).nextItems()),
            (items) => items.map((item) => item.sandboxId)
          )
        assert.deepStrictEqual(yield* ids({ order: "asc" }), [
          first.sandboxId,
          second.sandboxId,
          third.sandboxId
        ])
        assert.deepStrictEqual(yield* ids({ query: { template: "one" } }), [third.sandboxId, first.sandboxId])
        const { startedAt } = yield* sdk(() => second.getInfo())
        // The moment itself counts, as at E2B.
        assert.deepStrictEqual(yield* ids({ query: { startedAfter: startedAt } }), [
          third.sandboxId,
          second.sandboxId
        ])
        for (const name of ["one", "two"]) yield* sdk(() => client.Sandbox.deleteSnapshot(name))
      })
    )

    it.effect("are listed by pages, state and metadata with every awkward character", () =>
      Effect.gen(function* () {
        const { client } = yield* Server
        const metadata = { "a &=%/é+ ?#": "b &=%/é+ ?#\u{1F600}%20" }
        const first = yield* sandbox({ metadata })
        const second = yield* sandbox({ metadata: { ...metadata, more: "x" } })
        yield* sandbox({ metadata: { "a &=%/é+ ?#": "other" } })
        yield* sdk(() => first.pause())
        const collect = (options: Parameters<typeof client.Sandbox.list>[0]) =>
          Effect.gen(function* () {
            const paginator = client.Sandbox.list(options)
            const found: Array<string> = []
            while (paginator.hasNext) {
              for (const item of yield* sdk(() => paginator.nextItems())) found.push(item.sandboxId)
            }
            return found
          })
        assert.deepStrictEqual(yield* collect({ query: { metadata }, limit: 1 }), [
          second.sandboxId,
          first.sandboxId
        ])
        assert.deepStrictEqual(yield* collect({ query: { metadata, state: ["paused"] } }), [first.sandboxId])
        assert.deepStrictEqual(yield* collect({ query: { metadata, state: ["running"] } }), [
          second.sandboxId
        ])
        assert.deepStrictEqual(yield* collect({ query: { metadata: { ...metadata, more: "x" } } }), [
          second.sandboxId
        ])
        assert.lengthOf(yield* collect({}), 3)
      })
    )

    it.effect("do not see each other", () =>
      Effect.gen(function* () {
        const one = yield* sandbox({ envs: { SECRET: "one" } })
        const two = yield* sandbox()
        yield* sdk(() => one.files.write("mine", "1"))
        assert.isFalse(yield* sdk(() => two.files.exists("mine")))
        assert.strictEqual(yield* output(two, "ls; echo ${SECRET-unset}"), "unset")
        const stranger = yield* sdk(() => one.commands.run("sleep 600", { background: true }))
        assert.isFalse(yield* sdk(() => two.commands.kill(stranger.pid)))
      })
    )
  })
})
