import { describeOnce } from "#test/once"
import { assert, it as top, layer } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { NotFoundError, Sandbox, SandboxError, SandboxNotFoundError } from "e2b"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as SnapshotName from "../../src/sandboxes/SnapshotName.ts"
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

const status = (error: unknown) => (error instanceof SandboxError ? error.statusCode : error)

/** A snapshot for the length of the test. */
const snapshot = (box: Sandbox, name?: string) =>
  Effect.flatMap(Server, ({ client }) =>
    Effect.acquireRelease(
      sdk(() => box.createSnapshot(name === undefined ? {} : { name })),
      ({ snapshotId }) => Effect.orDie(sdk(() => client.Sandbox.deleteSnapshot(snapshotId)))
    )
  )

/** A sandbox from a template, for the length of the test. */
const from = (template: string) =>
  Effect.flatMap(Server, ({ client }) =>
    Effect.acquireRelease(
      sdk(() => client.Sandbox.create(template)),
      (created) => Effect.orDie(sdk(() => created.kill()))
    )
  )

const snapshotsIn = Effect.flatMap(Server, ({ directory }) =>
  Effect.promise(async () => {
    const [server = ""] = await Fs.readdir(directory)
    return Fs.readdir(Path.join(directory, server, "snapshots")).catch(() => [])
  })
)

const all = Effect.flatMap(Server, ({ client }) =>
  Effect.gen(function* () {
    const pages = client.Sandbox.listSnapshots({ limit: 1 })
    const ids: Array<string> = []
    while (pages.hasNext) {
      for (const { snapshotId } of yield* sdk(() => pages.nextItems())) ids.push(snapshotId)
    }
    return ids
  })
)

byMode(modes, "snapshots", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("keep every kind of file as it was", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* output(
          box,
          `mkdir -p d/e && cd d && echo one > e/f && ln e/f hard && ln -s e/f soft && ln -s /etc/passwd out && ln -s nowhere broken &&
           mkfifo pipe && chmod 640 e/f && mkdir closed && touch closed/x && chmod 000 closed && printf x > secret && chmod 000 secret &&
           truncate -s 1G sparse && cp /bin/true suid && chmod 4755 suid && touch -d 2001-02-03 old && echo t > "\${TMPDIR:-/tmp}/t"`
        )
        yield* sdk(() => box.files.write("d/noted", "n", { metadata: { key: "value" } }))
        const { snapshotId } = yield* snapshot(box)
        const copy = yield* from(snapshotId)
        assert.strictEqual(
          yield* output(
            copy,
            `cd d && cat e/f && readlink soft out broken && stat -c '%a %h' e/f && stat -c '%a %F' closed secret pipe suid &&
             stat -c %Y old && [ $(stat -c '%s' sparse) = 1073741824 ] && [ $(stat -c %b sparse) -lt 2048 ] && chmod 700 closed && ls closed &&
             cat "\${TMPDIR:-/tmp}/t" && find . ! -user "$(id -u)"`
          ),
          [
            "one",
            "e/f",
            "/etc/passwd",
            "nowhere",
            "640 2",
            "0 directory",
            "0 regular file",
            "644 fifo",
            "4755 regular file",
            `${Date.parse("2001-02-03T00:00:00") / 1000}`,
            "x",
            "t"
          ].join("\n")
        )
        assert.deepStrictEqual((yield* sdk(() => copy.files.getInfo("d/noted"))).metadata, { key: "value" })
        yield* output(copy, "chmod 600 d/secret && echo changed > d/e/f")
        assert.strictEqual(yield* output(box, "cat d/e/f"), "one")
      })
    )

    it.effect("are taken of a frozen sandbox, whose processes continue afterwards", () =>
      Effect.gen(function* () {
        const box = yield* sandbox({ envs: { SECRET: "s" }, metadata: { a: "1" } })
        const temporary = yield* output(box, 'echo "${TMPDIR:-/tmp}"')
        // One of each pair is copied long before the other, for what is between them is large.
        const late = mode === "none" ? temporary : "/var/tmp"
        yield* output(box, `head -c 80000000 /dev/zero > ${temporary}/large`)
        const counting = yield* sdk(() =>
          box.commands.run(
            `i=0; while :; do i=$((i+1)); echo $i > a.new && mv a.new a; echo $i > ${late}/b.new && mv ${late}/b.new ${late}/b; [ -e stop ] && exit 7; done`,
            { background: true, timeoutMs: 0, onStdout: () => {} }
          )
        )
        const write = (path: string, round: number) =>
          sdk(() => box.files.write(path, `${round}\n`, { useOctetStream: true }))
        const client = yield* Effect.forkChild(
          Effect.forEach(
            Array.from({ length: 10_000 }, (_, round) => round),
            (round) => Effect.andThen(write("c", round), write(`${late}/d`, round))
          )
        )
        yield* eventually(sdk(() => box.files.exists(`${late}/b`)))
        yield* eventually(sdk(() => box.files.exists(`${late}/d`)))
        const before = Number(yield* output(box, `cat ${late}/b`))
        const { snapshotId } = yield* snapshot(box)
        yield* Fiber.interrupt(client)
        const copy = yield* from(snapshotId)
        const place = mode === "none" ? yield* output(copy, 'echo "$TMPDIR"') : late
        const [a = 0, b = 0, c = 0, d = 0] = (yield* output(copy, `cat ~/a ${place}/b ~/c ${place}/d`))
          .split("\n")
          .map(Number)
        assert.isAtLeast(a, before)
        for (const [first, second] of [
          [a, b],
          [c, d]
        ] as const) {
          assert.isTrue(first === second || first === second + 1, `${first} and ${second}`)
        }
        assert.strictEqual(yield* output(copy, 'cat ~/a; echo "${SECRET-unset}"'), `${a}\nunset`)
        assert.deepStrictEqual(yield* sdk(() => copy.commands.list()), [])
        // The stream of the command was not cut.
        yield* eventually(Effect.map(output(box, "cat a"), (now) => Number(now) > a + 3))
        yield* sdk(() => box.files.write("stop", ""))
        const ended = yield* failure(() => counting.wait())
        assert.strictEqual(ended instanceof Error && "exitCode" in ended && ended.exitCode, 7)
      })
    )

    it.effect("outlive their sandbox, are listed by pages and filters, and removed for good", () =>
      Effect.gen(function* () {
        const { client } = yield* Server
        const one = yield* sandbox()
        const two = yield* sdk(() => client.Sandbox.create())
        const first = yield* snapshot(one)
        const second = yield* snapshot(two, "my-name:v2")
        assert.match(first.snapshotId, /^snap[0-9a-z]{16}:default$/)
        assert.deepStrictEqual(second, { snapshotId: "local/my-name:v2", names: ["local/my-name:v2"] })
        yield* sdk(() => two.kill())
        assert.deepStrictEqual(yield* all, [second.snapshotId, first.snapshotId])
        const ids = (options: Parameters<typeof client.Sandbox.listSnapshots>[0]) =>
          Effect.map(
            sdk(() => client.Sandbox.listSnapshots(options).nextItems()),
            (items) => items.map(({ snapshotId }) => snapshotId)
          )
        assert.deepStrictEqual(yield* ids({ sandboxId: one.sandboxId }), [first.snapshotId])
        assert.deepStrictEqual(yield* ids({ name: "my-name:v2" }), [second.snapshotId])
        assert.deepStrictEqual(yield* ids({ name: "my-name" }), [])
        assert.deepStrictEqual(yield* ids({ name: first.snapshotId }), [first.snapshotId])
        for (const name of ["my-name:v2", "local/my-name:v2"]) yield* from(name)
        assert.isTrue(yield* sdk(() => client.Sandbox.deleteSnapshot(second.snapshotId)))
        assert.isFalse(yield* sdk(() => client.Sandbox.deleteSnapshot(second.snapshotId)))
        assert.strictEqual(status(yield* failure(() => client.Sandbox.create(second.snapshotId))), 404)
        assert.strictEqual(status(yield* failure(() => client.Sandbox.create("snap0123456789abcdef"))), 404)
        assert.lengthOf(yield* snapshotsIn, 1)
      })
    )

    it.effect("replace an earlier snapshot of the same name", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* sdk(() => box.files.write("f", "1"))
        const first = yield* snapshot(box, "again")
        yield* sdk(() => box.files.write("f", "2"))
        const second = yield* snapshot(box, "again")
        assert.strictEqual(first.snapshotId, second.snapshotId)
        assert.deepStrictEqual(yield* all, [first.snapshotId])
        assert.strictEqual(yield* output(yield* from("again"), "cat f"), "2")
        assert.lengthOf(yield* snapshotsIn, 1)
        for (const name of ["base", "No Name", "../up", "snap0123456789abcdef"]) {
          assert.strictEqual(status(yield* failure(() => box.createSnapshot({ name }))), 400, name)
        }
      })
    )

    it.effect("can be taken of a paused sandbox and not of a killed one", () =>
      Effect.gen(function* () {
        const { client } = yield* Server
        const box = yield* sandbox()
        yield* sdk(() => box.files.write("f", "asleep"))
        yield* sdk(() => box.pause())
        const { snapshotId } = yield* snapshot(box)
        assert.strictEqual((yield* sdk(() => box.getInfo())).state, "paused")
        assert.strictEqual(yield* output(yield* from(snapshotId), "cat f"), "asleep")
        assert.instanceOf(yield* failure(() => client.Sandbox.createSnapshot("inone")), SandboxNotFoundError)
        assert.instanceOf(yield* failure(() => client.Sandbox.fork("inone")), SandboxNotFoundError)
      })
    )

    if (mode === "none") {
      it.effect("are refused when a folder was replaced by a link", () =>
        Effect.gen(function* () {
          const box = yield* sandbox()
          yield* output(box, 'mv "$TMPDIR" ../kept && ln -s / "$TMPDIR"')
          const refused = yield* failure(() => box.createSnapshot())
          assert.strictEqual(status(refused), 500)
          assert.include(String(refused), "tmp is not a folder")
          assert.deepStrictEqual(yield* snapshotsIn, [])
          yield* output(box, 'rm "$TMPDIR" && mv ../kept "$TMPDIR"')
        })
      )
    }

    it.effect("are made for a fork and removed after it", () =>
      Effect.gen(function* () {
        const { client } = yield* Server
        const box = yield* sandbox({ envs: { INHERITED: "yes" }, metadata: { a: "1" } })
        yield* sdk(() => box.files.write("f", "forked"))
        const forks = yield* Effect.acquireRelease(
          sdk(() => box.fork({ count: 3, timeoutMs: 60_000 })),
          (made) =>
            Effect.forEach(made, (one) =>
              one instanceof Sandbox ? Effect.orDie(sdk(() => one.kill())) : Effect.void
            )
        )
        assert.lengthOf(forks, 3)
        for (const one of forks) {
          if (!(one instanceof Sandbox)) return assert.fail(String(one))
          assert.strictEqual(yield* output(one, 'cat f; echo " $INHERITED"'), "forked yes")
          const info = yield* sdk(() => one.getInfo())
          assert.deepStrictEqual(info.metadata, { a: "1" })
          assert.isAtMost(info.endAt.getTime() - info.startedAt.getTime(), 61_000)
        }
        assert.deepStrictEqual(yield* all, [])
        assert.deepStrictEqual(yield* snapshotsIn, [])
        assert.strictEqual(
          status(yield* failure(() => client.Sandbox.fork(box.sandboxId, { count: 0 }))),
          400
        )
      })
    )

    it.effect("do not keep their sandbox from being killed", () =>
      Effect.gen(function* () {
        const { client, live } = yield* Server
        const before = yield* live
        const box = yield* sdk(() => client.Sandbox.create())
        yield* output(box, "head -c 100000000 /dev/urandom > large")
        const [taken] = yield* Effect.all(
          [Effect.result(sdk(() => box.createSnapshot())), sdk(() => box.kill())],
          { concurrency: 2 }
        )
        // Whichever was first: the snapshot is there, or nothing is.
        assert.lengthOf(yield* all, taken._tag === "Success" ? 1 : 0)
        if (taken._tag === "Success")
          yield* sdk(() => client.Sandbox.deleteSnapshot(taken.success.snapshotId))
        else assert.instanceOf(taken.failure.cause, NotFoundError)
        assert.deepStrictEqual(yield* snapshotsIn, [])
        assert.strictEqual(yield* live, before)
      })
    )
  })
})

describeOnce("the name of a snapshot", () => {
  top.effect("is found with and without its tag", () =>
    Effect.sync(() => {
      const id = "snap0123456789abcdef"
      const plain = { id, name: Option.none() }
      const named = { id: "snapxxxxxxxxxxxxxxxx", name: SnapshotName.parse("n") }
      const found = (text: string) => Option.getOrUndefined(SnapshotName.find([plain, named], text))
      for (const text of [id, `${id}:default`]) assert.strictEqual(found(text), plain, text)
      for (const text of ["n", "n:default", "local/n", "local/n:default", named.id]) {
        assert.strictEqual(found(text), named, text)
      }
      for (const text of ["", "n:v2", "other/n", "snap", "nn", "base"]) assert.isUndefined(found(text), text)
    })
  )
})
