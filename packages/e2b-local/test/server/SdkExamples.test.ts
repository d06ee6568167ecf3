/** What the documentation of E2B shows for JavaScript, with the unmodified SDK against this server. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { CommandExitError, FileType, type FilesystemEvent, FilesystemEventType, Sandbox } from "e2b"
import { eventually, isolated, sdk, Server, serverLayer, byMode } from "../support/support.ts"

/** What a program would read from `E2B_API_KEY`, `E2B_API_URL` and `E2B_SANDBOX_URL`. */
const connection = Effect.map(Server, ({ apiKey, url }) => ({ apiKey, apiUrl: url, sandboxUrl: url }))

/** An example in a new sandbox, which ends with it. */
const example = (run: (sandbox: Sandbox, options: Effect.Success<typeof connection>) => Promise<void>) =>
  Effect.flatMap(connection, (options) =>
    Effect.acquireUseRelease(
      sdk(() => Sandbox.create(options)),
      (sandbox) => sdk(() => run(sandbox, options)),
      (sandbox) => Effect.orDie(sdk(() => sandbox.kill()))
    )
  )

byMode(isolated, "the examples of E2B's documentation", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("quick start: a command, and the files of a folder", () =>
      example(async (sandbox) => {
        const { exitCode, stderr, stdout } = await sandbox.commands.run('echo "Hello from E2B Sandbox!"')
        assert.deepStrictEqual([stdout, stderr, exitCode], ["Hello from E2B Sandbox!\n", "", 0])
        assert.isAbove((await sandbox.files.list("/")).length, 0)
      })
    )

    it.effect("a command that fails throws its exit code and what it wrote", () =>
      example(async (sandbox) => {
        const error: unknown = await sandbox.commands
          .run("echo no >&2; exit 3")
          .catch((cause: unknown) => cause)
        assert(error instanceof CommandExitError)
        assert.deepStrictEqual([error.exitCode, error.stderr], [3, "no\n"])
      })
    )

    it.effect("streaming: stdout and stderr arrive as they are written", () =>
      example(async (sandbox) => {
        const [out, err] = [new Array<string>(), new Array<string>()]
        await sandbox.commands.run("echo hello; sleep 0.2; echo world >&2", {
          onStdout: (data) => void out.push(data),
          onStderr: (data) => void err.push(data)
        })
        assert.deepStrictEqual([out.join(""), err.join("")], ["hello\n", "world\n"])
      })
    )

    it.effect("background: a command is listed, waited for, connected to, and killed", () =>
      example(async (sandbox) => {
        const seen: Array<string> = []
        const echo = await sandbox.commands.run("echo hello; cat", {
          background: true,
          stdin: true,
          onStdout: (data) => void seen.push(data)
        })
        assert.include(
          (await sandbox.commands.list()).map(({ pid }) => pid),
          echo.pid
        )
        await sandbox.commands.sendStdin(echo.pid, "world\n")
        await sandbox.commands.closeStdin(echo.pid)
        assert.strictEqual((await echo.wait()).stdout, "hello\nworld\n")
        assert.strictEqual(seen.join(""), "hello\nworld\n")
        const sleeping = await sandbox.commands.run("sleep 600", { background: true })
        const again = await sandbox.commands.connect(sleeping.pid)
        const ended = again.wait().catch((cause: unknown) => cause)
        assert.isTrue(await sleeping.kill())
        assert.instanceOf(await ended, CommandExitError)
        assert.isFalse(await sandbox.commands.kill(sleeping.pid))
        await sleeping.wait().catch(() => undefined)
      })
    )

    it.effect("files: one and many are written, read, described, renamed and removed", () =>
      example(async (sandbox) => {
        const info = await sandbox.files.write("/home/user/my-file", "Hello, world!")
        assert.strictEqual(info.path, "/home/user/my-file")
        assert.strictEqual(await sandbox.files.read("/home/user/my-file"), "Hello, world!")
        await sandbox.files.write([
          { path: "/home/user/dir/file-a", data: "a" },
          { path: "/home/user/dir/file-b", data: new Uint8Array([98]).buffer }
        ])
        const listed = await sandbox.files.list("/home/user/dir")
        assert.deepStrictEqual(listed.map(({ name }) => name).toSorted(), ["file-a", "file-b"])
        const bytes = await sandbox.files.read("/home/user/dir/file-b", { format: "bytes" })
        assert.deepStrictEqual([...bytes], [98])
        assert.isTrue(await sandbox.files.makeDir("/home/user/new"))
        await sandbox.files.rename("/home/user/my-file", "/home/user/new/moved")
        assert.deepInclude(await sandbox.files.getInfo("/home/user/new/moved"), {
          name: "moved",
          type: FileType.FILE,
          size: 13
        })
        assert.isFalse(await sandbox.files.exists("/home/user/my-file"))
        await sandbox.files.remove("/home/user/new")
        assert.isFalse(await sandbox.files.exists("/home/user/new"))
      })
    )

    it.effect("files: a folder is watched, with what is below it", () =>
      Effect.gen(function* () {
        const options = yield* connection
        const sandbox = yield* Effect.acquireRelease(
          sdk(() => Sandbox.create(options)),
          (one) => Effect.orDie(sdk(() => one.kill()))
        )
        const events: Array<FilesystemEvent> = []
        yield* sdk(() => sandbox.files.makeDir("/home/user/watched/below"))
        const watching = yield* sdk(() =>
          sandbox.files.watchDir("/home/user/watched", (event) => void events.push(event), {
            recursive: true
          })
        )
        yield* sdk(() => sandbox.files.write("/home/user/watched/below/file", "x"))
        yield* eventually(
          Effect.sync(() =>
            events.some(({ name, type }) => name === "below/file" && type === FilesystemEventType.WRITE)
          )
        )
        yield* sdk(() => watching.stop())
      })
    )

    it.effect("files: are uploaded and downloaded by signed addresses", () =>
      example(async (sandbox) => {
        const up = await sandbox.uploadUrl("/home/user/up.txt", { useSignatureExpiration: 10_000 })
        const form = new FormData()
        form.append("file", new Blob(["uploaded"]), "up.txt")
        assert.isTrue((await fetch(up, { method: "POST", body: form })).ok)
        assert.strictEqual(await sandbox.files.read("/home/user/up.txt"), "uploaded")
        const down = await sandbox.downloadUrl("/home/user/up.txt", { useSignatureExpiration: 10_000 })
        assert.strictEqual(await (await fetch(down)).text(), "uploaded")
        const forged = down.replace("up.txt", "other.txt")
        assert.strictEqual((await fetch(forged)).status, 401)
      })
    )

    it.effect("list: by metadata and state, page by page", () =>
      Effect.gen(function* () {
        const options = yield* connection
        const metadata = { userId: "123" }
        const made = yield* Effect.acquireRelease(
          sdk(() => Promise.all([1, 2, 3].map(() => Sandbox.create({ ...options, metadata })))),
          (all) => Effect.orDie(sdk(() => Promise.all(all.map((one) => one.kill()))))
        )
        const found = yield* sdk(async () => {
          const paginator = Sandbox.list({ ...options, limit: 2, query: { metadata, state: ["running"] } })
          const first = await paginator.nextItems()
          assert.isTrue(paginator.hasNext)
          const second = await paginator.nextItems()
          assert.isFalse(paginator.hasNext)
          return [first, second].map((page) => page.map(({ sandboxId }) => sandboxId))
        })
        assert.deepStrictEqual(
          found.map(({ length }) => length),
          [2, 1]
        )
        assert.deepStrictEqual(found.flat().toSorted(), made.map(({ sandboxId }) => sandboxId).toSorted())
      })
    )

    it.effect("persistence: a paused sandbox keeps its files and processes when it is connected to", () =>
      example(async (sandbox, options) => {
        await sandbox.files.write("/home/user/kept", "kept")
        const { pid } = await sandbox.commands.run("sleep 600", { background: true, timeoutMs: 0 })
        await sandbox.pause()
        assert.strictEqual((await sandbox.getInfo()).state, "paused")
        const same = await Sandbox.connect(sandbox.sandboxId, options)
        assert.strictEqual(await same.files.read("/home/user/kept"), "kept")
        assert.isTrue(await same.commands.kill(pid))
        assert.isTrue(await same.betaPause())
        assert.strictEqual((await (await same.connect()).getInfo()).state, "running")
      })
    )

    it.effect("ttl: is set at the creation, changed, and returned until its end", () =>
      Effect.gen(function* () {
        const options = yield* connection
        const sandbox = yield* sdk(() => Sandbox.create({ ...options, timeoutMs: 60_000 }))
        assert.isTrue(yield* sdk(() => sandbox.isRunning()))
        yield* sdk(() => sandbox.setTimeout(30_000))
        const { endAt, startedAt, templateId } = yield* sdk(() => sandbox.getInfo())
        assert.strictEqual(templateId, "base")
        assert.isAtMost(endAt.getTime() - startedAt.getTime(), 60_000)
        yield* sdk(() => sandbox.kill())
        assert.isFalse(yield* sdk(() => sandbox.isRunning()))
      })
    )

    it.effect("environment: of the sandbox, and of one command", () =>
      Effect.gen(function* () {
        const options = yield* connection
        const sandbox = yield* Effect.acquireRelease(
          sdk(() => Sandbox.create({ ...options, envs: { MY_VAR: "mine" } })),
          (one) => Effect.orDie(sdk(() => one.kill()))
        )
        const said = (envs?: Record<string, string>) =>
          Effect.map(
            sdk(() => sandbox.commands.run("echo $MY_VAR", envs === undefined ? {} : { envs })),
            ({ stdout }) => stdout
          )
        assert.deepStrictEqual([yield* said(), yield* said({ MY_VAR: "other" })], ["mine\n", "other\n"])
      })
    )

    it.effect("internet access: without it only the sandbox itself can be reached", () =>
      Effect.gen(function* () {
        const options = yield* connection
        const { port } = new URL(options.apiUrl)
        const reaches = (allowInternetAccess: boolean) =>
          Effect.acquireUseRelease(
            sdk(() => Sandbox.create({ ...options, allowInternetAccess })),
            (one) =>
              sdk(() =>
                one.commands.run(`(exec 3<>/dev/tcp/127.0.0.1/${port}) 2>/dev/null && echo yes || echo no`)
              ),
            (one) => Effect.orDie(sdk(() => one.kill()))
          )
        assert.strictEqual((yield* reaches(true)).stdout, "yes\n")
        assert.strictEqual((yield* reaches(false)).stdout, "no\n")
      })
    )

    it.effect("ports: each has a host", () =>
      example(async (sandbox) => {
        assert.match(sandbox.getHost(3000), new RegExp(`^3000-${sandbox.sandboxId}\\.`))
      })
    )

    it.effect("terminal: input runs in a shell of the given size", () =>
      example(async (sandbox) => {
        let seen = ""
        const terminal = await sandbox.pty.create({
          cols: 80,
          rows: 24,
          onData: (data) => {
            seen += new TextDecoder().decode(data)
          }
        })
        await sandbox.pty.resize(terminal.pid, { cols: 100, rows: 30 })
        await sandbox.pty.sendInput(terminal.pid, new TextEncoder().encode("stty size; exit\n"))
        assert.strictEqual((await terminal.wait()).exitCode, 0)
        assert.include(seen, "30 100")
      })
    )

    it.effect("git: a repository is cloned, changed, committed, and pushed", () =>
      example(async (sandbox) => {
        await sandbox.commands.run("git init -q --bare -b main /home/user/origin.git")
        await sandbox.git.init("/home/user/repo", { initialBranch: "main" })
        await sandbox.files.write("/home/user/repo/README.md", "hello\n")
        await sandbox.git.configureUser("Sandbox", "sandbox@example.com")
        await sandbox.git.add("/home/user/repo")
        await sandbox.git.commit("/home/user/repo", "Initial commit")
        await sandbox.git.remoteAdd("/home/user/repo", "origin", "/home/user/origin.git")
        await sandbox.git.push("/home/user/repo", { remote: "origin", branch: "main" })
        await sandbox.git.clone("/home/user/origin.git", { path: "/home/user/clone", branch: "main" })
        assert.strictEqual(await sandbox.files.read("/home/user/clone/README.md"), "hello\n")
        await sandbox.git.createBranch("/home/user/clone", "feature")
        await sandbox.files.write("/home/user/clone/new", "x")
        const status = await sandbox.git.status("/home/user/clone")
        assert.strictEqual(status.currentBranch, "feature")
        assert.deepStrictEqual(
          status.fileStatus.map(({ name }) => name),
          ["new"]
        )
        const { branches } = await sandbox.git.branches("/home/user/clone")
        assert.deepStrictEqual(branches.toSorted(), ["feature", "main"])
      })
    )
  })
})
