import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { CommandExitError, InvalidArgumentError, NotFoundError, type Sandbox, SandboxError } from "e2b"
import { eventually, failure, modes, output, sandbox, sdk, serverLayer, byMode } from "../support/support.ts"

type Options = Partial<Parameters<Sandbox["pty"]["create"]>[0]>

const text = (line: string) => new TextEncoder().encode(line)

/** A shell on a terminal, with what it wrote so far. */
const terminal = Effect.fnUntraced(function* (box: Sandbox, options: Options = {}) {
  let seen = ""
  const onData = (data: Uint8Array) => {
    seen += Buffer.from(data).toString()
  }
  const handle = yield* sdk(() => box.pty.create({ cols: 100, rows: 30, timeoutMs: 0, ...options, onData }))
  const type = (line: string) => sdk(() => box.pty.sendInput(handle.pid, text(line)))
  const until = (part: string) => eventually(Effect.sync(() => seen.includes(part)))
  return { handle, type, until, seen: () => seen }
})

byMode(modes, "terminals", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("run an interactive login shell of the requested size", () =>
      Effect.gen(function* () {
        const box = yield* sandbox({ envs: { FROM_SANDBOX: "box" } })
        const shell = yield* terminal(box, { envs: { MINE: "own" } })
        yield* shell.type(
          "echo \"[$(stty size)] $MINE $FROM_SANDBOX $TERM $SHELL $-\"; tty; pwd; shopt -q login_shell && echo log''in\n"
        )
        yield* shell.until("login\r\n")
        assert.match(
          shell.seen(),
          /\[30 100\] own box xterm-256color \/bin\/bash \S*i\S*\r\n\/dev\/pts\/\d+\r\n/
        )
        // What is typed is shown.
        assert.include(shell.seen(), "shopt -q")
        assert.deepInclude(
          (yield* sdk(() => box.commands.list())).find(({ pid }) => pid === shell.handle.pid),
          { cmd: "/bin/bash", args: ["-i", "-l"] }
        )
        yield* shell.type("exit 7\n")
        const ended = yield* failure(() => shell.handle.wait())
        assert.strictEqual(ended instanceof CommandExitError && ended.exitCode, 7)
      })
    )

    it.effect("are resized, and the program is notified", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const shell = yield* terminal(box)
        yield* sdk(() => box.pty.resize(shell.handle.pid, { cols: 81, rows: 21 }))
        yield* shell.type("trap 'echo told: $(stty size)' WINCH; stty size; echo re''ady\n")
        yield* shell.until("ready")
        assert.include(shell.seen(), "21 81")
        yield* sdk(() => box.pty.resize(shell.handle.pid, { cols: 132, rows: 43 }))
        // The shell attends to it with its next command.
        yield* shell.type(":\n")
        yield* shell.until("told: 43 132")
        yield* sdk(() => shell.handle.kill())
      })
    )

    it.effect("carry signals of the keyboard and can be connected to again", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const shell = yield* terminal(box)
        yield* shell.type("sh -c \"echo be''gin; exec sleep 600\"\n")
        yield* shell.until("begin")
        yield* shell.type("\u0003")
        // What is typed before the shell is back may be thrown away, on any terminal.
        yield* eventually(Effect.sync(() => /\^C[^]*[$#] /.test(shell.seen())))
        yield* shell.type("echo af''ter $?\n")
        yield* shell.until("after 130")
        // The terminal shows it, and then the program.
        yield* shell.type("echo cat''ting; cat\n")
        yield* shell.until("catting")
        yield* shell.type("twice\n")
        yield* shell.until("twice\r\ntwice\r\n")
        yield* shell.type("\u0004")
        yield* sdk(() => shell.handle.disconnect())
        let again = ""
        const second = yield* sdk(() =>
          box.pty.connect(shell.handle.pid, {
            onData: (data) => void (again += Buffer.from(data).toString())
          })
        )
        yield* shell.type("echo ag''ain\n")
        yield* eventually(Effect.sync(() => again.includes("again")))
        assert.isTrue(yield* sdk(() => box.pty.kill(second.pid)))
        assert.instanceOf(yield* failure(() => second.wait()), CommandExitError)
        assert.isFalse(yield* sdk(() => box.pty.kill(second.pid)))
      })
    )

    it.effect("leave no process when they are killed, and none when their sandbox is", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const shell = yield* terminal(box, { envs: { MARK: "terminal-mark" } })
        yield* shell.type("exec 9>alive; echo st''arted; sleep 600\n")
        yield* shell.until("started")
        const sleeping = Effect.map(
          output(box, "for p in /proc/[0-9]*; do [ $p/fd/9 -ef alive ] && cat $p/comm; done 2>/dev/null; :"),
          (names) => names.split("\n").filter((name) => name === "sleep" || name === "bash").length
        )
        assert.strictEqual(yield* sleeping, 2)
        assert.isTrue(yield* sdk(() => shell.handle.kill()))
        yield* eventually(Effect.map(sleeping, (count) => count === 0))
      })
    )

    it.effect("refuse invalid values", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const shell = yield* terminal(box)
        const plain = yield* sdk(() => box.commands.run("cat", { background: true, stdin: true }))
        assert.instanceOf(yield* failure(() => box.pty.sendInput(plain.pid, text("x"))), SandboxError)
        assert.instanceOf(yield* failure(() => box.pty.resize(plain.pid, { cols: 1, rows: 1 })), SandboxError)
        assert.instanceOf(yield* failure(() => box.commands.sendStdin(shell.handle.pid, "x")), SandboxError)
        assert.instanceOf(
          yield* failure(() => box.pty.resize(4_000_000, { cols: 1, rows: 1 })),
          NotFoundError
        )
        assert.instanceOf(
          yield* failure(() => box.pty.create({ cols: 80, rows: 24, cwd: "/missing", onData: () => {} })),
          InvalidArgumentError
        )
        yield* sdk(() => plain.kill())
        yield* sdk(() => shell.handle.kill())
      })
    )
  })
})
