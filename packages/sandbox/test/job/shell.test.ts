import { describeWhere } from "#test/where"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, FileSystem, Schema, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { script as scriptText } from "../../src/job/scripts.ts"
import { commandLine, marker, quote } from "../../src/job/shell.ts"
import { alive, dead } from "../support/processes.ts"

// The duration of real processes depends on the machine.
vi.setConfig({ testTimeout: 60_000 })

const runs = { arbitrary: { runs: 40 } }

/** A process in the group of this one, like a command in the group of its sandbox server. */
const command = (program: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  ChildProcess.make(program, args, { detached: false, env, extendEnv: true })

const output = (...args: Parameters<typeof command>) =>
  Effect.flatMap(ChildProcessSpawner.ChildProcessSpawner, (spawner) => spawner.string(command(...args)))

/** A word as a program receives it: without NUL, and as UTF-8. */
const received = (word: string) => word.replaceAll("\0", "").toWellFormed()

const words = Schema.Array(Schema.String)

const awkward = [
  "",
  "'",
  "''",
  "\\",
  "\\'",
  "$HOME",
  "`id`",
  "$(id)",
  "!!",
  "*",
  "~",
  "-n",
  "\n",
  "a\n",
  "\r\t\u0007",
  "é😀\u2028",
  "\ud800"
]

const through = (shell: string, list: ReadonlyArray<string>) =>
  output(shell, ["-c", `printf '%s\\0' ${[...list, "end"].map(quote).join(" ")}`])

const expected = (list: ReadonlyArray<string>) =>
  [...list, "end"].map((word) => `${received(word)}\0`).join("")

for (const shell of ["bash", "sh"]) {
  describe(`quote, read by ${shell}`, () => {
    it.effect("preserves every awkward word", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* through(shell, awkward), expected(awkward))
      }).pipe(Effect.provide(NodeServices.layer))
    )

    it.effect.prop(
      "preserves any words",
      [words],
      ([list]) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* through(shell, list), expected(list))
        }).pipe(Effect.provide(NodeServices.layer)),
      runs
    )
  })
}

describe("commandLine", () => {
  it.effect.prop(
    "passes any arguments unchanged",
    [words],
    ([list]) =>
      Effect.gen(function* () {
        const line = commandLine({ argv: ["printf", "%s\\0", ...list, "end"] })
        assert.strictEqual(yield* output("bash", ["-c", line]), expected(list))
      }).pipe(Effect.provide(NodeServices.layer)),
    runs
  )

  it.effect("runs a script with bash, including its quotes", () =>
    Effect.gen(function* () {
      const script = `names=(o\\'neil "two words"); for name in "\${names[@]}"; do echo "<$name>"; done`
      assert.strictEqual(yield* output("sh", ["-c", commandLine({ script })]), "<o'neil>\n<two words>\n")
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("becomes the command in the same process, in a session of its own", () =>
    Effect.gen(function* () {
      const script = 'read -r _ _ _ _ group session _ </proc/$$/stat; echo "$$ $group $session"'
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const handle = yield* spawner.spawn(command("bash", ["-c", commandLine({ script })]))
      const text = yield* Stream.mkString(Stream.decodeText(handle.stdout))
      assert.strictEqual(text, `${handle.pid} ${handle.pid} ${handle.pid}\n`)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("starts no session where setsid is missing", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const folder = yield* files.makeTempDirectoryScoped()
      yield* files.symlink(yield* output("bash", ["-c", 'printf %s "$BASH"']), `${folder}/bash`)
      const line = commandLine({ script: "echo still here" })
      assert.strictEqual(yield* output("bash", ["-c", line], { PATH: folder }), "still here\n")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

const signal = (pid: number, name: NodeJS.Signals) =>
  Effect.sync(() => {
    try {
      process.kill(pid, name)
    } catch {
      // The process has ended already.
    }
  })

const kill = (mark: string, ...leader: ReadonlyArray<string>) =>
  output("bash", ["-c", scriptText("kill-command"), "kill", mark, ...leader])

describeWhere(process.platform === "linux", "only on Linux")("kill-command.sh, on Linux", () => {
  // Children in the group of the leader, in a session of their own, and one whose parent has exited.
  const tree = `sleep 600 & echo $!
setsid sleep 600 & echo $!
setsid bash -c 'echo $$; sleep 600 & echo $!; wait' &
(setsid sleep 600 & echo $!)
wait`

  const lone = "echo $$; exec sleep 600"

  /** Starts a script with a mark. Returns the leader and the pids that it printed; all are killed after the test. */
  const start = Effect.fnUntraced(function* (script: string, mark: string, count: number) {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const leader = yield* spawner.spawn(command("bash", ["-c", commandLine({ script })], { [marker]: mark }))
    const lines = yield* leader.stdout.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.take(count),
      Stream.runCollect
    )
    const pids = [leader.pid, ...lines.map(Number)]
    yield* Effect.addFinalizer(() => Effect.forEach(pids, (pid) => signal(pid, "SIGKILL")))
    return { leader: leader.pid, pids }
  })

  it.live("kills a tree, including processes in sessions of their own", () =>
    Effect.gen(function* () {
      const { leader, pids } = yield* start(tree, "test-tree", 5)
      assert.strictEqual((yield* alive(pids)).length, 6)
      assert.strictEqual(yield* kill("test-tree", String(leader)), "")
      assert.deepStrictEqual(yield* dead(pids), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("kills a tree by its mark alone", () =>
    Effect.gen(function* () {
      const { pids } = yield* start(tree, "test-mark", 5)
      assert.strictEqual(yield* kill("test-mark"), "")
      assert.deepStrictEqual(yield* dead(pids), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("kills what remains when the leader has exited", () =>
    Effect.gen(function* () {
      const { leader, pids } = yield* start("setsid sleep 600 >/dev/null & echo $!", "test-left", 1)
      yield* dead([leader])
      assert.strictEqual(yield* kill("test-left", String(leader)), "")
      assert.deepStrictEqual(yield* dead(pids), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("kills no process with another mark, however similar, or without a mark", () =>
    Effect.gen(function* () {
      const one = yield* start(lone, "test.mark", 1)
      const others = [
        yield* start(lone, "test.mark2", 1),
        yield* start(lone, "test-mark", 1),
        yield* start(lone, "", 1)
      ]
      yield* kill("test.mark", String(one.leader))
      assert.deepStrictEqual(yield* dead([one.leader]), [])
      const spared = others.map(({ leader }) => leader)
      assert.deepStrictEqual(yield* alive(spared), spared)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
