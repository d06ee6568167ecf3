import { assert, describe, it as top, layer } from "@effect/vitest"
import { Effect } from "effect"
import { CommandExitError, NotEnoughSpaceError, type Sandbox } from "e2b"
import * as Fs from "node:fs/promises"
import { parseGroups, parseMounts } from "../../src/host/Cgroups.ts"
import {
  Server,
  eventually,
  failure,
  leftOnHost,
  modes,
  output,
  perMode,
  sandbox,
  sdk,
  serverLayer
} from "../support/support.ts"

const MiB = 1024 * 1024

const marked = (mark: string) =>
  Effect.promise(async () => {
    const pids = (await Fs.readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name))
    const lines = await Promise.all(
      pids.map((pid) => Fs.readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""))
    )
    return lines.filter((line) => line.includes(mark)).length
  })

/** What a sandbox that misbehaves must not take from the others: that they and the server answer. */
const othersAnswer = (other: Sandbox) =>
  Effect.gen(function* () {
    const { client } = yield* Server
    assert.strictEqual(yield* output(other, "echo fine; echo more > file; cat file"), "fine\nmore")
    const fresh = yield* sdk(() => client.Sandbox.create())
    assert.strictEqual(yield* output(fresh, "echo new"), "new")
    yield* sdk(() => fresh.kill())
  })

/** A sandbox that misbehaves, and what must be left of it when it is killed: nothing. */
const misbehaving = <E>(test: (bad: Sandbox, other: Sandbox) => Effect.Effect<void, E, Server>) =>
  Effect.gen(function* () {
    const { client, directory, live } = yield* Server
    const other = yield* sandbox()
    const before = yield* live
    const bad = yield* sdk(() => client.Sandbox.create())
    yield* test(bad, other)
    yield* sdk(() => bad.kill())
    assert.strictEqual(yield* live, before)
    const left = yield* leftOnHost(directory, [bad.sandboxId])
    assert.deepStrictEqual(
      left.filter((line) => line.includes(bad.sandboxId)),
      []
    )
  })

const limits = { processes: 64, memoryBytes: 256 * MiB, diskBytes: 64 * MiB }

perMode(modes, "limits", (mode) => {
  layer(serverLayer({ isolation: mode, limits }), { excludeTestServices: true, timeout: "60 seconds" })(
    (it) => {
      it.effect("report exactly the ones that are enforced on this host", () =>
        Effect.gen(function* () {
          const { enforced } = yield* Server
          // Who is not root has no disks; the rest depends on the host.
          assert.isTrue(process.geteuid?.() === 0 || !enforced.disk)
          if (mode !== "none") assert.isTrue(enforced.processes)
        })
      )

      it.effect("stop a fork bomb", ({ skip }) =>
        misbehaving((bad, other) =>
          Effect.gen(function* () {
            const { enforced } = yield* Server
            if (!enforced.processes) return skip("not enforced here")
            const mark = `8${process.pid}${mode.length}`
            // Stops by itself far above the limit.
            const bomb = yield* failure(() =>
              bad.commands.run(
                `exec sh -c 'i=0; while [ $i -lt 1500 ]; do sleep ${mark} >/dev/null 2>&1 & i=$((i+1)); done; echo all'`
              )
            )
            assert.include(bomb instanceof CommandExitError ? bomb.stderr : String(bomb), "fork")
            // Without isolation the group counts, which leaves room for processes of the server.
            assert.isBelow(yield* marked(`\0${mark}\0`), mode === "none" ? 330 : 70)
            yield* othersAnswer(other)
            yield* sdk(() => bad.kill())
            assert.strictEqual(yield* marked(mark), 0)
            // The end of the test kills it again.
            yield* Effect.asVoid(sdk(() => bad.kill()))
          })
        )
      )

      it.effect("stop a program that takes too much memory", ({ skip }) =>
        misbehaving((bad, other) =>
          Effect.gen(function* () {
            const { enforced } = yield* Server
            if (!enforced.memory) return skip("not enforced here")
            const hog = yield* failure(() =>
              bad.commands.run(
                `exec node -e 'const all = []; while (all.length < 100) all.push(Buffer.alloc(10 * 1024 * 1024, 1)); console.log("all")'`
              )
            )
            if (!(hog instanceof CommandExitError)) return assert.fail(String(hog))
            assert.include([-1, 137], hog.exitCode)
            assert.notInclude(hog.stdout, "all")
            // Even by many, none of them large.
            const many = yield* failure(() =>
              bad.commands.run(
                `for i in 1 2 3 4 5 6 7 8; do node -e 'const b = Buffer.alloc(100 * 1024 * 1024, 1); setTimeout(() => console.log("kept", b[5]), 3000)' & done; for job in $(jobs -p); do wait $job || exit 9; done`
              )
            )
            assert.strictEqual(many instanceof CommandExitError && many.exitCode, 9)
            yield* othersAnswer(other)
            assert.strictEqual(yield* output(bad, "echo still here"), "still here")
          })
        )
      )

      it.effect("stop a program that fills the disk", ({ skip }) =>
        misbehaving((bad, other) =>
          Effect.gen(function* () {
            const { enforced } = yield* Server
            if (!enforced.disk) return skip("not enforced here")
            const filler = yield* failure(() => bad.commands.run("head -c 300000000 /dev/zero > large"))
            assert.include(
              filler instanceof CommandExitError ? filler.stderr : String(filler),
              "No space left"
            )
            const temporary = yield* failure(() =>
              bad.commands.run('head -c 300000000 /dev/zero > "${TMPDIR:-/tmp}/large"')
            )
            assert.instanceOf(temporary, CommandExitError)
            assert.instanceOf(
              yield* failure(() => bad.files.write("more", "x".repeat(MiB), { useOctetStream: true })),
              NotEnoughSpaceError
            )
            yield* othersAnswer(other)
            const metrics = yield* sdk(() => bad.getMetrics())
            assert.isAtMost(metrics.at(-1)?.diskTotal ?? Infinity, limits.diskBytes)
            yield* output(bad, 'rm large "${TMPDIR:-/tmp}/large"')
            yield* sdk(() => bad.files.write("more", "x".repeat(MiB), { useOctetStream: true }))
            // A snapshot is one of the files alone, and what is made of it is bounded as well.
            const { client } = yield* Server
            const { snapshotId } = yield* sdk(() => bad.createSnapshot())
            const copy = yield* sdk(() => client.Sandbox.create(snapshotId))
            assert.strictEqual((yield* sdk(() => copy.files.getInfo("more"))).size, MiB)
            assert.instanceOf(
              yield* failure(() => copy.commands.run("head -c 300000000 /dev/zero > large")),
              CommandExitError
            )
            yield* sdk(() => copy.kill())
            yield* sdk(() => client.Sandbox.deleteSnapshot(snapshotId))
          })
        )
      )

      it.effect("kill the processes of a killed sandbox, including those that left their group", () =>
        Effect.gen(function* () {
          const { client, enforced } = yield* Server
          if (mode === "none" && !enforced.processes) return
          const box = yield* sdk(() => client.Sandbox.create())
          const mark = `9${process.pid}${mode.length}`
          yield* sdk(() =>
            box.commands.run(`setsid -f sh -c 'setsid -f sleep ${mark} >/dev/null 2>&1' >/dev/null 2>&1`)
          )
          yield* eventually(Effect.map(marked(`\0${mark}\0`), (count) => count === 1))
          yield* sdk(() => box.kill())
          assert.strictEqual(yield* marked(mark), 0)
        })
      )
    }
  )
})

describe("control groups", () => {
  top.effect("are found in what the kernel tells of both versions", () =>
    Effect.sync(() => {
      const mounts = parseMounts(
        [
          "25 20 0:22 / /proc rw - proc proc rw",
          "31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate",
          "32 30 0:28 /docker/x /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory",
          ""
        ].join("\n")
      )
      assert.deepStrictEqual(mounts, [
        { root: "/", at: "/sys/fs/cgroup/unified", type: "cgroup2", options: ["rw", "nsdelegate"] },
        { root: "/docker/x", at: "/sys/fs/cgroup/memory", type: "cgroup", options: ["rw", "memory"] }
      ])
      const groups = parseGroups("8:pids:/a:b\n4:memory,hugetlb:/c\n0::/d\n")
      assert.deepStrictEqual(
        [...groups],
        [
          ["pids", "/a:b"],
          ["memory", "/c"],
          ["hugetlb", "/c"],
          ["", "/d"]
        ]
      )
    })
  )
})
