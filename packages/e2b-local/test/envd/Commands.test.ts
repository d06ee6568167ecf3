import { assert, layer } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import {
  AuthenticationError,
  CommandExitError,
  InvalidArgumentError,
  NotFoundError,
  SandboxError,
  TimeoutError
} from "e2b"
import { eventually, failure, modes, output, sandbox, sdk, serverLayer, byMode } from "../support/support.ts"

const exit = (error: unknown) =>
  error instanceof CommandExitError ? error : assert.fail(`no exit: ${String(error)}`)

byMode(modes, "commands", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("give stdout, stderr and the exit code apart", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const result = yield* sdk(() => box.commands.run("echo out; echo err >&2"))
        assert.deepStrictEqual([result.stdout, result.stderr, result.exitCode], ["out\n", "err\n", 0])
        const failed = exit(yield* failure(() => box.commands.run("echo partly; exit 3")))
        assert.deepStrictEqual(
          [failed.stdout, failed.exitCode, failed.error],
          ["partly\n", 3, "exit status 3"]
        )
        const killed = exit(yield* failure(() => box.commands.run("kill -KILL $$")))
        assert.include([-1, 137], killed.exitCode)
      })
    )

    it.effect("can open their own output and input again", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const result = yield* sdk(() =>
          box.commands.run("echo a >/dev/stdout; echo b >/dev/stderr; echo c | tee /dev/stderr")
        )
        assert.deepStrictEqual([result.stdout, result.stderr], ["a\nc\n", "b\nc\n"])
        const reading = yield* sdk(() =>
          box.commands.run("cat /dev/stdin", { background: true, stdin: true })
        )
        yield* sdk(() => reading.sendStdin("x"))
        yield* sdk(() => reading.closeStdin())
        assert.strictEqual((yield* sdk(() => reading.wait())).stdout, "x")
      })
    )

    it.effect("stream completely and in order, also a character that is split", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const seen: Array<string> = []
        const first = yield* Deferred.make<void>()
        const services = yield* Effect.context()
        const handle = yield* sdk(() =>
          box.commands.run(
            "printf 'a\\303'; read -r _; printf '\\251b\\n'; i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done",
            {
              background: true,
              stdin: true,
              onStdout: (text) => {
                seen.push(text)
                Effect.runForkWith(services)(Deferred.succeed(first, undefined))
              }
            }
          )
        )
        yield* Deferred.await(first)
        yield* sdk(() => handle.sendStdin("\n"))
        const result = yield* sdk(() => handle.wait())
        const numbers = Array.from({ length: 2000 }, (_, index) => `${index}\n`).join("")
        assert.strictEqual(result.stdout, `aéb\n${numbers}`)
        assert.strictEqual(seen.join(""), result.stdout)
        assert.isAbove(seen.length, 1)
      })
    )

    it.effect("carry megabytes and slow the program down when the reader stops", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const gate = yield* Deferred.make<void>()
        const services = yield* Effect.context()
        const handle = yield* sdk(() =>
          box.commands.run("head -c 20000000 /dev/zero | tr '\\0' x; touch written", {
            background: true,
            onStdout: () => Effect.runPromiseWith(services)(Deferred.await(gate))
          })
        )
        const before = yield* sdk(() => box.commands.list())
        assert.deepStrictEqual(
          before.map(({ pid }) => pid),
          [handle.pid]
        )
        // Asked many times; a server that buffers without a bound would have let it finish.
        for (let round = 0; round < 20; round++) assert.isFalse(yield* sdk(() => box.files.exists("written")))
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual((yield* sdk(() => handle.wait())).stdout.length, 20_000_000)
        assert.isTrue(yield* sdk(() => box.files.exists("written")))
      })
    )

    it.effect("get a working directory, variables and a scrubbed environment", () =>
      Effect.gen(function* () {
        const awkward = "a'b\"c$d`e\\f\n é=\u{1F600} "
        const box = yield* sandbox({ envs: { FROM_CREATE: awkward, OVERRIDDEN: "create" } })
        const home = yield* output(box, "pwd")
        assert.strictEqual(home, yield* output(box, 'echo "$HOME"'))
        const result = yield* sdk(() =>
          box.commands.run('printf "%s|%s|%s|%s" "$PWD" "$FROM_CREATE" "$OVERRIDDEN" "$USER"', {
            cwd: "/usr",
            envs: { OVERRIDDEN: awkward }
          })
        )
        assert.strictEqual(result.stdout, `/usr|${awkward}|${awkward}|user`)
        yield* sdk(() => box.files.makeDir("below"))
        assert.strictEqual(
          (yield* sdk(() => box.commands.run("pwd", { cwd: "below" }))).stdout,
          `${home}/below\n`
        )
        const names = (yield* output(box, "env -0 | cut -z -d= -f1 | tr '\\0' ' '"))
          .split(" ")
          .filter((name) => name !== "")
        const expected = new Set([
          "E2B_SANDBOX",
          "E2B_SANDBOX_ID",
          "E2B_TEMPLATE_ID",
          "FROM_CREATE",
          "HOME",
          "LANG",
          "LOGNAME",
          "OVERRIDDEN",
          "PATH",
          "PWD",
          "SHELL",
          "SHLVL",
          "TMPDIR",
          "USER",
          "_"
        ])
        assert.deepStrictEqual(
          names.filter((name) => !expected.has(name)),
          []
        )
        assert.include(yield* output(box, "node --version"), "v")
        assert.strictEqual(
          (yield* sdk(() => box.commands.run("echo $PATH", { envs: { PATH: "/usr/bin:/bin:/mine" } })))
            .stdout,
          "/usr/bin:/bin:/mine\n"
        )
      })
    )

    it.effect("take long arguments", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const long = "'\\''x$\"".repeat(12_000)
        const result = yield* sdk(() => box.commands.run(`printf %s '${long}' | wc -c`))
        assert.strictEqual(Number(result.stdout), long.replaceAll("'\\''", "'").length)
      })
    )

    it.effect("read stdin until it is closed, and have none by default", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const handle = yield* sdk(() => box.commands.run("cat", { background: true, stdin: true }))
        yield* sdk(() => handle.sendStdin("one\n"))
        yield* sdk(() => handle.sendStdin(new Uint8Array([0xc3, 0xa9])))
        yield* sdk(() => handle.closeStdin())
        assert.strictEqual((yield* sdk(() => handle.wait())).stdout, "one\né")
        assert.strictEqual((yield* sdk(() => box.commands.run("cat"))).stdout, "")
        const without = yield* sdk(() => box.commands.run("sleep 600", { background: true }))
        assert.instanceOf(yield* failure(() => without.sendStdin("x")), SandboxError)
      })
    )

    it.effect("are refused for an unknown user, a missing directory, and invalid variable names", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        assert.instanceOf(
          yield* failure(() => box.commands.run("id", { user: "somebody" })),
          AuthenticationError
        )
        assert.strictEqual((yield* sdk(() => box.commands.run("echo ok", { user: "user" }))).stdout, "ok\n")
        assert.instanceOf(
          yield* failure(() => box.commands.run("id", { cwd: "/nowhere" })),
          InvalidArgumentError
        )
        assert.instanceOf(
          yield* failure(() => box.commands.run("id", { envs: { "A=B": "x" } })),
          InvalidArgumentError
        )
        assert.deepStrictEqual(yield* sdk(() => box.commands.list()), [])
      })
    )

    it.effect("lose their leader at the deadline, and only that", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const late = yield* failure(() =>
          box.commands.run("sleep 600 >/dev/null 2>&1 & echo $! > child; exec sleep 600", { timeoutMs: 300 })
        )
        assert.instanceOf(late, TimeoutError)
        assert.include(String(late), "deadline_exceeded")
        yield* eventually(
          Effect.map(
            sdk(() => box.commands.list()),
            (list) => list.length === 0
          )
        )
        assert.strictEqual(yield* output(box, "kill -0 $(cat child) && echo alive"), "alive")
      })
    )

    it.effect("outlive a client that disconnects, and can be connected to again", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const handle = yield* sdk(() =>
          box.commands.run("read -r line; echo $line; exit 4", { background: true, stdin: true })
        )
        yield* sdk(() => handle.disconnect())
        yield* Effect.promise(() => handle.wait().catch(() => undefined))
        assert.deepStrictEqual(
          (yield* sdk(() => box.commands.list())).map(({ pid }) => pid),
          [handle.pid]
        )
        const again = yield* sdk(() => box.commands.connect(handle.pid))
        yield* sdk(() => box.commands.sendStdin(handle.pid, "later\n"))
        const ended = exit(yield* failure(() => again.wait()))
        assert.deepStrictEqual([ended.stdout, ended.exitCode], ["later\n", 4])
        // The end is told for a while, the output is not.
        const after = yield* sdk(() => box.commands.connect(handle.pid))
        assert.deepStrictEqual([exit(yield* failure(() => after.wait())).exitCode, after.stdout], [4, ""])
        assert.isFalse(yield* sdk(() => box.commands.kill(handle.pid)))
        assert.instanceOf(yield* failure(() => box.commands.connect(999_999)), NotFoundError)
        assert.instanceOf(yield* failure(() => box.commands.sendStdin(999_999, "x")), NotFoundError)
      })
    )

    it.effect("send every listener the same events from its start on, and one exit code", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const handle = yield* sdk(() =>
          box.commands.run("echo early; read -r line; echo $line; echo err >&2; exit 5", {
            background: true,
            stdin: true
          })
        )
        yield* eventually(Effect.sync(() => handle.stdout === "early\n"))
        const one = yield* sdk(() => box.commands.connect(handle.pid))
        const two = yield* sdk(() => box.commands.connect(handle.pid))
        assert.strictEqual(one.pid, handle.pid)
        // One that leaves takes nothing from the others.
        yield* sdk(() => two.disconnect())
        yield* Effect.promise(() => two.wait().catch(() => undefined))
        const three = yield* sdk(() => box.commands.connect(handle.pid))
        yield* sdk(() => three.sendStdin("late\n"))
        for (const listener of [handle, one, three]) {
          const ended = exit(yield* failure(() => listener.wait()))
          const early = listener === handle ? "early\n" : ""
          assert.deepStrictEqual([ended.stdout, ended.stderr, ended.exitCode], [`${early}late\n`, "err\n", 5])
        }
      })
    )

    it.effect("end when the last holder of their output does", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const handle = yield* sdk(() =>
          box.commands.run("exec 3<&0; { read -r _ <&3; echo late; } & echo early", {
            background: true,
            stdin: true
          })
        )
        yield* eventually(Effect.sync(() => handle.stdout === "early\n"))
        yield* sdk(() => handle.sendStdin("go\n"))
        assert.strictEqual((yield* sdk(() => handle.wait())).stdout, "early\nlate\n")
      })
    )

    it.effect("are killed alone by kill, and as a group after setsid", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const handle = yield* sdk(() => box.commands.run("exec sleep 600", { background: true }))
        assert.isTrue(yield* sdk(() => handle.kill()))
        const killed = exit(yield* failure(() => handle.wait()))
        assert.deepStrictEqual([killed.exitCode, killed.error], [-1, "signal: killed"])
        const group = yield* sdk(() =>
          box.commands.run("exec setsid bash -c 'sleep 600 & echo up; sleep 600'", { background: true })
        )
        yield* eventually(Effect.sync(() => group.stdout === "up\n"))
        yield* sdk(() => box.commands.run(`kill -KILL -- -${group.pid}`))
        // It ends at all only because the child is gone as well.
        assert.instanceOf(yield* failure(() => group.wait()), CommandExitError)
      })
    )

    it.effect("run many at once", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const numbers = Array.from({ length: 24 }, (_, index) => index)
        const outputs = yield* Effect.forEach(numbers, (index) => output(box, `echo ${index}`), {
          concurrency: 24
        })
        assert.deepStrictEqual(outputs, numbers.map(String))
      })
    )
  })
})
