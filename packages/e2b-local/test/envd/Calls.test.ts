import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Zlib from "node:zlib"
import { api, call, envdHeaders, envelope, send, stream } from "../support/http.ts"
import {
  eventually,
  isolated,
  modes,
  output,
  byMode,
  perMode,
  sandbox,
  sdk,
  Server,
  serverLayer
} from "../support/support.ts"

const START = "process.Process/Start"

/** Output and exit code of the events of a command. */
const ended = (messages: ReadonlyArray<Record<string, unknown>>) => {
  const events = messages.map((message) => message["event"] as Record<string, never> | undefined)
  const data = events.flatMap((event) => (event?.["data"] === undefined ? [] : [event["data"]]))
  const text = (name: string) =>
    Buffer.concat(
      (data as ReadonlyArray<Record<string, string>>).map((part) => Buffer.from(part[name] ?? "", "base64"))
    ).toString()
  const end = events.find((event) => event?.["end"] !== undefined)?.["end"] as
    | { exitCode?: number }
    | undefined
  return { exitCode: end?.exitCode, stdout: text("stdout"), stderr: text("stderr") }
}

const errorOf = (messages: ReadonlyArray<Record<string, unknown>>) =>
  messages.at(-1)?.["error"] as { readonly code: string; readonly message: string } | undefined

const input = (text: string) => ({ data: { input: { stdin: Buffer.from(text).toString("base64") } } })

const run = (box: Parameters<typeof output>[0], command: string) =>
  Effect.map(
    sdk(() => box.commands.run(command, { user: "root" })),
    ({ stdout }) => stdout.trimEnd()
  )

byMode(modes, "calls", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("start programs directly, and a missing one ends with 127", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* sdk(() => box.files.write("d/not-executable", "x"))
        const start = (process: object) =>
          Effect.map(stream(box, START, envelope({ process, stdin: false })), ({ messages }) =>
            ended(messages)
          )
        assert.deepInclude(yield* start({ cmd: "echo", args: ["hi"] }), { exitCode: 0, stdout: "hi\n" })
        const missing = yield* start({ cmd: "no-such-program" })
        assert.strictEqual(missing.exitCode, 127)
        assert.include(missing.stderr, "no-such-program")
        assert.strictEqual((yield* start({})).exitCode, 127)
        assert.strictEqual((yield* start({ cmd: "d/not-executable" })).exitCode, 126)
        const home = yield* output(box, "pwd")
        assert.strictEqual((yield* start({ cmd: "pwd", cwd: "~/d" })).stdout, `${home}/d\n`)
        assert.strictEqual((yield* start({ cmd: "pwd", cwd: "~" })).stdout, `${home}\n`)
        const environment = yield* start({ cmd: "env", envs: { "a.b": "dot", "A-B": "dash" } })
        assert.include(environment.stdout, "a.b=dot\n")
        assert.include(environment.stdout, "A-B=dash\n")
        const other = yield* stream(box, START, envelope({ process: { cmd: "pwd", cwd: "~other" } }))
        assert.strictEqual(errorOf(other.messages)?.code, "invalid_argument")
      })
    )

    it.effect("keep variables with unusual names that the sandbox was created with", () =>
      Effect.gen(function* () {
        const box = yield* sandbox({ envs: { "x.y": "1" } })
        const { messages } = yield* stream(box, START, envelope({ process: { cmd: "env" }, stdin: false }))
        assert.include(ended(messages).stdout, "x.y=1\n")
      })
    )

    it.effect("describe links, the root and devices as envd does", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const home = yield* output(box, "pwd -P")
        yield* output(
          box,
          "mkdir d; echo x > f; chmod 640 f; ln -s f one; ln -s one two; ln -s d folder; ln -s nowhere broken"
        )
        const stat = (path: string) =>
          Effect.map(call(box, "filesystem.Filesystem/Stat", { path }), ({ text }) => JSON.parse(text).entry)
        assert.deepInclude(yield* stat("two"), {
          name: "two",
          type: "FILE_TYPE_FILE",
          mode: 0o640,
          permissions: "Lrwxrwxrwx",
          symlinkTarget: `${home}/f`
        })
        assert.deepInclude(yield* stat("folder"), {
          type: "FILE_TYPE_DIRECTORY",
          symlinkTarget: `${home}/d`
        })
        const broken = yield* stat("broken")
        assert.deepInclude(broken, { type: "FILE_TYPE_UNSPECIFIED", mode: 0 })
        assert.strictEqual(broken.symlinkTarget, broken.path)
        if (mode === "none") return
        assert.deepInclude(yield* stat("/"), { name: "/", path: "/", type: "FILE_TYPE_DIRECTORY" })
        assert.deepInclude(yield* stat("/dev/null"), { permissions: "Dcrw-rw-rw-" })
        assert.deepInclude(yield* stat("/tmp"), { permissions: "dtrwxrwxrwx", mode: 0o777 })
      })
    )

    it.effect("poll a watcher: created, asked for its events, removed", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* sdk(() => box.files.makeDir("w"))
        const watcher = (name: string, message: object) => call(box, `filesystem.Filesystem/${name}`, message)
        const created = yield* watcher("CreateWatcher", { path: "w", recursive: true })
        assert.strictEqual(created.status, 200, created.text)
        const { watcherId } = JSON.parse(created.text)
        yield* output(box, "mkdir w/a && echo x > w/a/b")
        const names = new Set<string>()
        yield* eventually(
          Effect.map(watcher("GetWatcherEvents", { watcherId }), ({ text }) => {
            for (const event of JSON.parse(text).events) names.add(event.name)
            return names.has("a") && names.has("a/b")
          })
        )
        const none = yield* watcher("GetWatcherEvents", { watcher_id: watcherId })
        assert.deepStrictEqual(JSON.parse(none.text), { events: [] })
        assert.strictEqual((yield* watcher("RemoveWatcher", { watcherId })).status, 200)
        assert.strictEqual((yield* watcher("GetWatcherEvents", { watcherId })).status, 404)
        assert.strictEqual((yield* watcher("RemoveWatcher", { watcherId })).status, 404)
        assert.strictEqual((yield* watcher("CreateWatcher", { path: "none" })).status, 404)
        const described = yield* watcher("CreateWatcher", { path: "w", include_entry: true })
        const { watcherId: second } = JSON.parse(described.text)
        yield* output(box, "echo y > w/c; sleep 0.2; chmod 600 w/c")
        yield* eventually(
          Effect.map(watcher("GetWatcherEvents", { watcherId: second }), ({ text }) =>
            JSON.parse(text).events.some((event: { entry?: { name: string } }) => event.entry?.name === "c")
          )
        )
        yield* sdk(() => box.kill())
        // The end of the test kills it again.
        yield* Effect.asVoid(sdk(() => box.kill()))
      })
    )

    it.effect("stream input to a command", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const handle = yield* sdk(() => box.commands.run("cat", { background: true, stdin: true }))
        const body = Buffer.concat(
          [{ start: { process: { pid: handle.pid } } }, input("one "), { keepalive: {} }, input("two")].map(
            (message) => envelope(message)
          )
        )
        const { messages } = yield* stream(box, "process.Process/StreamInput", body)
        assert.deepStrictEqual(messages, [{}, {}])
        yield* sdk(() => handle.closeStdin())
        assert.strictEqual((yield* sdk(() => handle.wait())).stdout, "one two")
        const gone = yield* stream(
          box,
          "process.Process/StreamInput",
          envelope({ start: { process: { pid: 999 } } })
        )
        assert.strictEqual(errorOf(gone.messages)?.code, "not_found")
      })
    )

    it.effect("answer the wrong kind of input with the codes of envd", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const handle = yield* sdk(() => box.commands.run("exec sleep 600", { background: true, stdin: true }))
        const process = { pid: handle.pid }
        const codeOf = (name: string, message: object) =>
          Effect.map(call(box, `process.Process/${name}`, message), ({ status, text }) => {
            assert.notInclude(text, "SchemaError")
            return [status, JSON.parse(text).code]
          })
        const data = Buffer.from("x").toString("base64")
        assert.deepStrictEqual(yield* codeOf("SendInput", { process, input: { pty: data } }), [
          500,
          "internal"
        ])
        assert.deepStrictEqual(yield* codeOf("SendInput", { process }), [501, "unimplemented"])
        assert.deepStrictEqual(yield* codeOf("SendInput", { process, input: { stdin: "***" } }), [
          400,
          "invalid_argument"
        ])
        assert.deepStrictEqual(yield* codeOf("SendSignal", { process, signal: "SIGNAL_SIGHUP" }), [
          501,
          "unimplemented"
        ])
        assert.deepStrictEqual(yield* codeOf("SendSignal", { signal: "SIGNAL_SIGTERM" }), [
          501,
          "unimplemented"
        ])
        assert.deepStrictEqual(yield* codeOf("Update", { process, pty: { size: { rows: 1, cols: 1 } } }), [
          500,
          "internal"
        ])
        assert.deepStrictEqual(yield* codeOf("CloseStdin", { process }), [200, undefined])
        assert.deepStrictEqual(yield* codeOf("CloseStdin", { process }), [200, undefined])
        assert.deepStrictEqual(
          yield* codeOf("SendInput", { process: { pid: 9999 }, input: { stdin: data } }),
          [404, "not_found"]
        )
        assert.deepStrictEqual(yield* codeOf("SendSignal", { process, signal: 9 }), [200, undefined])
        yield* eventually(
          Effect.map(
            sdk(() => box.commands.list()),
            (all) => all.length === 0
          )
        )
      })
    )

    it.effect("are refused where connect-go refuses them, and ignore unknown fields", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const own = yield* envdHeaders(box)
        const list = (headers: Readonly<Record<string, string>>, body: string | Uint8Array = "{}") =>
          send("/filesystem.Filesystem/ListDir", { method: "POST", headers: { ...own, ...headers }, body })
        const json = { "content-type": "application/json" }
        assert.strictEqual((yield* list({ "content-type": "text/plain" })).status, 415)
        assert.strictEqual((yield* list({ "content-type": "application/connect+json" })).status, 415)
        assert.strictEqual((yield* list({ ...json, "connect-protocol-version": "2" })).status, 400)
        assert.strictEqual((yield* list({ ...json, "connect-protocol-version": "1" })).status, 200)
        assert.strictEqual((yield* list(json, '{"path":".","unknown":1,"depth":"1"}')).status, 200)
        assert.strictEqual(
          (yield* list({ ...json, "content-encoding": "gzip" }, Zlib.gzipSync('{"path":"."}'))).status,
          200
        )
        const unfit = yield* list(json, '{"path":1}')
        assert.deepStrictEqual([unfit.status, JSON.parse(unfit.text).code], [400, "invalid_argument"])
        const message = envelope({ process: { cmd: "true" } })
        const codeOf = (body: Uint8Array, headers = {}) =>
          Effect.map(stream(box, START, body, headers), ({ messages }) => errorOf(messages)?.code)
        assert.strictEqual(yield* codeOf(Buffer.concat([message, message])), "unimplemented")
        assert.strictEqual(yield* codeOf(message, { "connect-protocol-version": "2" }), "invalid_argument")
        const zipped = Zlib.gzipSync(JSON.stringify({ process: { cmd: "true" } }))
        const header = Buffer.from([1, 0, 0, 0, zipped.length])
        assert.isUndefined(
          yield* codeOf(Buffer.concat([header, zipped]), { "connect-content-encoding": "gzip" })
        )
        assert.deepStrictEqual(yield* sdk(() => box.commands.list()), [])
      })
    )

    it.effect("return the variables and the usage of the sandbox", () =>
      Effect.gen(function* () {
        const box = yield* sandbox({ envs: { MINE: "1" } })
        const own = yield* envdHeaders(box)
        const variables = yield* send("/envs", { headers: own })
        assert.deepInclude(JSON.parse(variables.text), {
          MINE: "1",
          E2B_SANDBOX: "true",
          E2B_SANDBOX_ID: box.sandboxId
        })
        const usage = JSON.parse((yield* send("/metrics", { headers: own })).text)
        assert.isAbove(usage.mem_total, 0)
        assert.isNumber(usage.cpu_used_pct)
        assert.strictEqual((yield* send("/envs")).status, 502)
        assert.strictEqual((yield* send("/none", { headers: own })).status, 404)
      })
    )
  })
})

perMode(isolated, "root", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect.skipIf(process.geteuid?.() !== 0)("is root of the sandbox and of nothing else", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        assert.strictEqual(yield* run(box, "id -u; id -un; echo $HOME; pwd"), "0\nroot\n/root\n/root")
        // What it may do: own and change the files of both users, and become the other one.
        yield* output(box, "echo mine > /workspace/file && chmod 600 /workspace/file")
        assert.strictEqual(
          yield* run(box, "cat /workspace/file && chown root /workspace/file && stat -c %U /workspace/file"),
          "mine\nroot"
        )
        assert.strictEqual(
          yield* output(box, "stat -c %U /workspace/file; cat /workspace/file 2>&1 | tail -c 18"),
          "root\nPermission denied"
        )
        assert.strictEqual(yield* run(box, "setpriv --reuid user --regid user --clear-groups id -un"), "user")
        yield* sdk(() => box.files.write("/root/by-api", "r", { user: "root" }))
        assert.strictEqual(yield* sdk(() => box.files.read("~/by-api", { user: "root" })), "r")
        assert.strictEqual(
          (yield* sdk(() => box.files.getInfo("/root/by-api", { user: "root" }))).owner,
          "root"
        )
        // It has terminals and watchers of its own.
        const seen: Array<string> = []
        const watch = yield* sdk(() =>
          box.files.watchDir("/root", ({ name }) => void seen.push(name), { user: "root" })
        )
        yield* run(box, "touch /root/seen")
        yield* eventually(Effect.sync(() => seen.includes("seen")))
        yield* sdk(() => watch.stop())
        let typed = ""
        const terminal = yield* sdk(() =>
          box.pty.create({
            cols: 80,
            rows: 24,
            user: "root",
            onData: (data) => void (typed += Buffer.from(data).toString())
          })
        )
        yield* sdk(() => box.pty.resize(terminal.pid, { cols: 91, rows: 25 }))
        yield* sdk(() => box.pty.sendInput(terminal.pid, Buffer.from("echo uid=$(id -u) $(stty size)\n")))
        yield* eventually(Effect.sync(() => typed.includes("uid=0 25 91")))
        yield* sdk(() => terminal.kill())
        // What it may not do.
        for (const command of [
          "unshare --user true",
          "unshare --mount true",
          "unshare --pid --fork true",
          "mount -t tmpfs x /mnt",
          "mount -o remount,rw /usr",
          "umount /proc",
          "mknod /root/disk b 8 0",
          "echo x > /usr/x",
          "echo x > /etc/passwd",
          "cat /proc/1/environ",
          "kill -KILL 1",
          "chroot / true",
          "hostname other",
          "echo 1 > /proc/sys/user/max_user_namespaces",
          "nsenter -t 1 -m true",
          "date -s 2020-01-01"
        ]) {
          const code = yield* run(box, `(${command}) >/dev/null 2>&1; echo $?`)
          assert.notStrictEqual(code, "0", command)
        }
        const status = yield* run(box, "cat /proc/self/status")
        assert.match(status, /^NoNewPrivs:\s1$/m)
        // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID
        assert.match(status, /^CapBnd:\s00000000000000fb$/m)
        assert.strictEqual(yield* output(box, "id -un"), "user")
      })
    )

    it.effect.skipIf(process.geteuid?.() !== 0)("is paused, copied and killed with its sandbox", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* run(box, "echo kept > /root/file; touch /tmp/count; chmod 666 /tmp/count")
        yield* sdk(() =>
          box.commands.run("while :; do echo >> /tmp/count; sleep 0.02; done", {
            user: "root",
            background: true,
            timeoutMs: 0
          })
        )
        const count = Effect.map(output(box, "wc -l < /tmp/count"), Number)
        yield* eventually(Effect.map(count, (lines) => lines > 3))
        yield* sdk(() => box.pause())
        yield* sdk(() => box.connect())
        const before = yield* count
        yield* eventually(Effect.map(count, (lines) => lines > before))
        const { snapshotId } = yield* sdk(() => box.createSnapshot())
        const { client } = yield* Server
        const copy = yield* sdk(() => client.Sandbox.create(snapshotId))
        assert.strictEqual(
          yield* run(copy, "cat /root/file; stat -c %U /root/file /tmp/count"),
          "kept\nroot\nroot"
        )
        assert.strictEqual(
          yield* output(copy, "stat -c %U /root ~ ; cat /root/file 2>/dev/null || echo closed"),
          "root\nuser\nclosed"
        )
        yield* sdk(() => copy.kill())
        yield* api("DELETE", `/templates/${snapshotId}`)
      })
    )
  })
})
