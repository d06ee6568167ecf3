import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Diagnostics from "node:diagnostics_channel"
import type { ChildProcess } from "node:child_process"
import * as Fs from "node:fs/promises"
import {
  Server,
  eventually,
  failure,
  isolated,
  output,
  perMode,
  sandbox,
  sdk,
  serverLayer
} from "../support/support.ts"

const isChild = (message: unknown): message is { readonly process: ChildProcess } =>
  typeof message === "object" && message !== null && "process" in message

/** The programs that this process, which is the server, starts during an effect. */
const programsOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const children: Array<ChildProcess> = []
      const listener = (message: unknown) => {
        if (isChild(message)) children.push(message.process)
      }
      Diagnostics.subscribe("child_process", listener)
      return { children, listener }
    }),
    ({ children }) => Effect.map(effect, () => children.map((child) => child.spawnfile)),
    ({ listener }) => Effect.sync(() => Diagnostics.unsubscribe("child_process", listener))
  )

/** The guests of this server, by their pids on the host. */
const guests = Effect.promise(async () => {
  const pids = (await Fs.readdir("/proc")).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(
    pids.map((pid) => Fs.readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""))
  )
  return pids.filter((_, at) => lines[at]?.includes(`\0server=${process.pid}\0`) === true).map(Number)
})

perMode(isolated, "guest", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("starts commands without a program beside them, and files without any", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* output(box, "true")
        const files = yield* programsOf(
          Effect.gen(function* () {
            yield* sdk(() => box.files.write("a/b.txt", "text"))
            assert.strictEqual(yield* sdk(() => box.files.read("a/b.txt")), "text")
            yield* sdk(() => box.files.getInfo("a/b.txt"))
            yield* sdk(() => box.files.list("a"))
            yield* sdk(() => box.files.makeDir("c"))
            yield* sdk(() => box.files.rename("a/b.txt", "c/d.txt"))
            yield* sdk(() => box.files.remove("c/d.txt"))
          })
        )
        assert.deepStrictEqual(files, [])
        const commands = yield* programsOf(Effect.replicateEffect(output(box, "true"), 10))
        // Pipes are made many at a time.
        assert.deepStrictEqual(
          commands.filter((name) => name !== "mkfifo"),
          []
        )
        assert.isAtMost(commands.length, 2)
      })
    )

    it.effect("is not seen in the sandbox, and lends it no descriptor of the server", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        // The process of a file operation is closed to its own user.
        yield* failure(() => box.files.list("/proc/self/fd"))
        assert.strictEqual(yield* output(box, "grep -l serve[r]= /proc/[0-9]*/cmdline 2>/dev/null; :"), "")
        const open = yield* output(
          box,
          "readlink /proc/self/fd/* | grep -cv '^/proc\\|^pipe\\|^/.*pipes\\|null'; :"
        )
        assert.strictEqual(open, "0")
        yield* failure(() => box.files.read("/proc/1/environ"))
        for (const path of ["/proc/1/root/etc/shadow", "/proc/self/root/../../etc/shadow"]) {
          yield* failure(() => box.files.read(path))
        }
      })
    )

    it.effect("that is killed takes its commands with it, and others take its place", () =>
      Effect.gen(function* () {
        const before = new Set(yield* guests)
        const box = yield* sandbox()
        const endless = yield* sdk(() => box.commands.run("sleep 1000", { background: true, timeoutMs: 0 }))
        const [pid, ...others] = (yield* guests).filter((one) => !before.has(one))
        assert.deepStrictEqual(others, [])
        if (pid === undefined) return assert.fail("there is no guest")
        process.kill(pid, "SIGKILL")
        yield* failure(() => endless.wait())
        yield* eventually(Effect.map(output(box, "pgrep -x sleep; :"), (found) => found === ""))
        yield* sdk(() => box.files.write("file", "still"))
        assert.strictEqual(yield* output(box, "cat file"), "still")
      })
    )

    it.effect("and PID 1 have no privileges, and PID 1 tells nothing of the server", () =>
      Effect.gen(function* () {
        const { directory } = yield* Server
        const box = yield* sandbox()
        for (const pid of ["1", "self"]) {
          const status = yield* output(box, `grep -E '^(Cap|NoNewPrivs)' /proc/${pid}/status | cut -f2`)
          assert.deepStrictEqual(new Set(status.split("\n")), new Set(["0000000000000000", "1"]))
        }
        const words = yield* output(box, "tr '\\0' ' ' < /proc/1/cmdline; cat /proc/1/environ 2>/dev/null; :")
        assert.notInclude(words, directory)
      })
    )

    it.effect("leaves no descriptor open when its sandbox ends while commands run", () =>
      Effect.gen(function* () {
        const descriptors = Effect.promise(async () => {
          const names = await Fs.readdir("/proc/self/fd")
          const links = await Promise.all(
            names.map((name) => Fs.readlink(`/proc/self/fd/${name}`).catch(() => ""))
          )
          return links.filter((link) => link.includes("/pipes/")).length
        })
        const before = yield* descriptors
        const running = Effect.gen(function* () {
          const box = yield* sandbox()
          yield* sdk(() => box.commands.run("cat", { background: true, stdin: true, timeoutMs: 0 }))
          assert.isAbove(yield* descriptors, before)
        })
        yield* Effect.scoped(running)
        yield* eventually(Effect.map(descriptors, (now) => now <= before))
      })
    )

    it.effect("ends with its sandbox", () =>
      Effect.gen(function* () {
        const before = new Set(yield* guests)
        yield* Effect.scoped(Effect.flatMap(sandbox(), (box) => output(box, "true")))
        yield* eventually(Effect.map(guests, (found) => found.every((pid) => before.has(pid))))
      })
    )
  })
})
