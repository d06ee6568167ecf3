import { byDefault, inRest } from "#test/once"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Option, Schedule, Schema } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import {
  bin,
  comes,
  family,
  finish,
  folder,
  lines,
  run,
  start,
  survivors,
  withoutCache
} from "../../support/support.ts"

const limit = { timeout: 120_000 }

/** Where the binary keeps its data when its home is this folder. */
const dataOf = (cwd: string) => join(cwd, ".local", "share", "remote-agent")

/** The processes that serve the data folder of a home, found by their arguments. */
const daemons = async (cwd: string): Promise<ReadonlyArray<number>> => {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [environ, cmdline] = await Promise.all(
        ["environ", "cmdline"].map((name) => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => ""))
      )
      return environ?.includes(`HOME=${cwd}\0`) && /\0local\0(daemon|serve)\0/.test(cmdline ?? "")
    })
  )
  return pids.filter((_, index) => found[index]).map(Number)
}

const until = <A>(read: () => Promise<A>, holds: (value: A) => boolean) =>
  Effect.repeat(Effect.promise(read), {
    until: holds,
    schedule: Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 1500 }))
  })

const startOf = async (pid: number) => (await family(pid)).find((one) => one.pid === pid)?.startedAt ?? ""

/** A test with a home of its own; at its end no server, no process of a sandbox and no folder of one may be left. */
const test = (name: string, body: (cwd: string) => Effect.Effect<void>) =>
  it.live(
    name,
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        yield* Effect.addFinalizer(() =>
          Effect.promise(async () => {
            for (const pid of await daemons(cwd)) process.kill(pid, "SIGKILL")
          })
        )
        yield* body(cwd)
        yield* run(cwd, ["local", "stop", "--yes"])
        const left = yield* until(
          () => daemons(cwd),
          (pids) => pids.length === 0
        )
        assert.deepStrictEqual(left, [], "no server should be left")
        const folders = yield* Effect.promise(() => readdir(join(dataOf(cwd), "sandboxes")).catch(() => []))
        assert.deepStrictEqual(folders, [], "no folder should be left")
      }),
    limit
  )

const Started = Schema.Struct({
  pid: Schema.Int,
  isolation: Schema.String,
  E2B_API_URL: Schema.String,
  E2B_SANDBOX_URL: Schema.String,
  E2B_API_KEY: Schema.String
})

const decodeStarted = Schema.decodeSync(Schema.fromJsonString(Started))

const background = ["local", "serve", "--background", "--json"]

const started = Effect.fnUntraced(function* (cwd: string, ...flags: ReadonlyArray<string>) {
  const { code, stderr, stdout } = yield* run(cwd, [...background, ...flags])
  assert.strictEqual(code, 0, stderr)
  return { ...decodeStarted(stdout), stderr }
})

const Status = Schema.Struct({
  running: Schema.Boolean,
  pid: Schema.optionalKey(Schema.Int),
  sandboxes: Schema.optionalKey(Schema.Struct({ running: Schema.Int, paused: Schema.Int }))
})

const decodeStatus = Schema.decodeSync(Schema.fromJsonString(Status))

const status = Effect.fnUntraced(function* (cwd: string) {
  const { code, stdout } = yield* run(cwd, ["local", "status", "--json"])
  return { code, ...decodeStatus(stdout) }
})

const Entry = Schema.Struct({ apiUrl: Schema.String, apiKey: Schema.String })
const decodeEntry = Schema.decodeOption(Schema.fromJsonString(Entry))

const readEntry = async (cwd: string) =>
  decodeEntry(await readFile(join(dataOf(cwd), "local.json"), "utf8").catch(() => ""))

/** The daemon as a child of the test, which hears of its end; and its variables as soon as it serves. */
const child = Effect.fnUntraced(function* (cwd: string, ...flags: ReadonlyArray<string>) {
  yield* Effect.promise(() => mkdir(dataOf(cwd), { recursive: true, mode: 0o700 }))
  const server = start(cwd, ["local", "daemon", ...flags])
  const ended = finish(server)
  const entry = yield* Effect.promise(() => comes(dataOf(cwd), () => readEntry(cwd), Option.isSome))
  const { apiKey, apiUrl } = Option.getOrThrow(entry)
  return {
    process: server,
    ended: Effect.promise(() => ended),
    variables: { E2B_API_URL: apiUrl, E2B_SANDBOX_URL: apiUrl, E2B_API_KEY: apiKey }
  }
})

type Variables = Pick<typeof Started.Type, "E2B_API_URL" | "E2B_SANDBOX_URL" | "E2B_API_KEY">

const { PATH = "" } = process.env
const packageFolder = fileURLToPath(new URL("../../..", import.meta.url))

/** Runs lines of JavaScript with the unmodified SDK in a process that knows nothing but the three variables. */
const sdk = ({ E2B_API_KEY, E2B_API_URL, E2B_SANDBOX_URL }: Variables, code: string): Effect.Effect<string> =>
  Effect.gen(function* () {
    const env = { PATH, E2B_API_KEY, E2B_API_URL, E2B_SANDBOX_URL }
    const program = `import { Sandbox } from "e2b"\n${code}`
    const {
      code: exit,
      stderr,
      stdout
    } = yield* Effect.promise(() =>
      finish(spawn(process.execPath, ["--input-type=module", "-e", program], { cwd: packageFolder, env }))
    )
    assert.strictEqual(exit, 0, stderr)
    return stdout.trim()
  })

const create = (variables: Variables, timeoutMs = 600_000) =>
  sdk(variables, `console.log((await Sandbox.create({ timeoutMs: ${timeoutMs} })).sandboxId)`)

const list = `const pages = Sandbox.list(); const all = await pages.nextItems()
console.log(all.map(({ sandboxId }) => sandboxId).join(" "))`

const fetchStatus = async (url: string, init: RequestInit) => (await fetch(url, init)).status

const request = (variables: Variables, path: string, init: RequestInit) =>
  Effect.promise(() => fetchStatus(variables.E2B_API_URL + path, init))

const mode = (path: string) => Effect.promise(async () => (await stat(path)).mode & 0o777)

const signal = (server: ChildProcess, name: NodeJS.Signals) => Effect.sync(() => server.kill(name))

describe("remote-agent local", () => {
  byDefault(test)("started ten times at once, is one server, which all are told of", (cwd) =>
    Effect.gen(function* () {
      const all = yield* Effect.forEach(
        Array.from({ length: 10 }, (_, index) => index),
        () => started(cwd),
        { concurrency: 10 }
      )
      const [first] = all
      assert.deepStrictEqual(
        all.map(({ E2B_API_KEY, pid }) => ({ E2B_API_KEY, pid })),
        all.map(() => ({ E2B_API_KEY: first?.E2B_API_KEY ?? "", pid: first?.pid ?? 0 }))
      )
      assert.deepStrictEqual(yield* Effect.promise(() => daemons(cwd)), [first?.pid ?? 0])
    })
  )

  byDefault(test)("outlives the one who started it, and a Ctrl-C in his terminal", (cwd) =>
    Effect.gen(function* () {
      const shell = spawn("sh", ["-c", '"$0" "$@"; exec sleep 600', process.execPath, bin, ...background], {
        cwd,
        detached: true,
        env: { PATH, HOME: cwd, TMPDIR: cwd, ...withoutCache },
        stdio: ["ignore", "pipe", "inherit"]
      })
      yield* Effect.promise(() => lines(shell, 1))
      const { pid } = yield* started(cwd)
      const ended = finish(shell)
      process.kill(-(shell.pid ?? 0), "SIGINT")
      yield* Effect.promise(() => ended)
      assert.deepStrictEqual(yield* status(cwd), {
        code: 0,
        running: true,
        pid,
        sandboxes: { running: 0, paused: 0 }
      })
    })
  )

  byDefault(test)("ends by itself when nothing has happened for a while", (cwd) =>
    Effect.gen(function* () {
      const { ended } = yield* child(cwd, "--idle", "1")
      assert.strictEqual((yield* ended).code, 0)
      assert.deepStrictEqual(yield* status(cwd), { code: 3, running: false })
      const log = yield* Effect.promise(() => readFile(join(dataOf(cwd), "local.log"), "utf8"))
      assert.include(log, "it was idle")
    })
  )

  inRest(test)("is not idle while it has a sandbox", (cwd) =>
    Effect.gen(function* () {
      const { ended, variables } = yield* child(cwd, "--idle", "2")
      const from = yield* Clock.currentTimeMillis
      yield* create(variables, 4000)
      assert.strictEqual((yield* ended).code, 0)
      // The ttl of the sandbox, and then the idle time.
      assert.isAtLeast((yield* Clock.currentTimeMillis) - from, 6000)
    })
  )

  byDefault(test)("killed, takes its sandboxes with it, and the next one removes what it left", (cwd) =>
    Effect.gen(function* () {
      const { ended, process: server, variables } = yield* child(cwd)
      const id = yield* create(variables)
      const members = yield* Effect.promise(() => family(server.pid ?? 0))
      assert.isAbove(members.length, 1)
      yield* signal(server, "SIGKILL")
      assert.strictEqual((yield* ended).signal, "SIGKILL")
      const left = yield* until(
        () => survivors(members),
        (alive) => alive.length === 0
      )
      assert.deepStrictEqual(left, [])
      const sandboxes = join(dataOf(cwd), "sandboxes")
      assert.lengthOf(yield* Effect.promise(() => readdir(sandboxes)), 1)
      assert.deepStrictEqual(yield* status(cwd), { code: 3, running: false })

      const next = yield* started(cwd)
      assert.notStrictEqual(next.pid, server.pid)
      const folders = yield* Effect.promise(() => readdir(sandboxes))
      assert.deepStrictEqual(
        folders.map((name) => name.split("-")[0]),
        [`${next.pid}`]
      )
      assert.strictEqual(yield* sdk(next, list), "")
      assert.notStrictEqual(yield* create(next), id)
    })
  )

  byDefault(test)("is not taken for running because another process has its pid", (cwd) =>
    Effect.gen(function* () {
      yield* started(cwd)
      const file = join(dataOf(cwd), "local.json")
      const entry = JSON.parse(yield* Effect.promise(() => readFile(file, "utf8")))
      yield* run(cwd, ["local", "stop"])
      const put = (owner: object) =>
        Effect.promise(() => writeFile(file, JSON.stringify({ ...entry, owner }), { mode: 0o600 }))

      yield* put({ ...entry.owner, pid: process.pid })
      assert.deepStrictEqual(yield* status(cwd), { code: 3, running: false })
      const next = yield* started(cwd)
      assert.notStrictEqual(next.pid, process.pid)
      yield* run(cwd, ["local", "stop"])

      // Even a process with the same start time: it does not answer with the key.
      const startedAt = yield* Effect.promise(() => startOf(process.pid))
      const boot = yield* Effect.promise(() => readFile("/proc/sys/kernel/random/boot_id", "utf8"))
      yield* put({ ...entry.owner, pid: process.pid, startedAt: `${boot.trim()} ${startedAt}` })
      const silent = yield* run(cwd, ["local", "status", "--json"])
      assert.strictEqual(silent.code, 1)
      assert.include(silent.stdout, `"Unanswered"`)
      assert.notStrictEqual((yield* started(cwd)).pid, process.pid)
    })
  )

  byDefault(test)("names a damaged file, and replaces it when there is no server", (cwd) =>
    Effect.gen(function* () {
      const file = join(dataOf(cwd), "local.json")
      yield* Effect.promise(async () => {
        await mkdir(dataOf(cwd), { recursive: true, mode: 0o700 })
        await writeFile(file, '{"owner":', { mode: 0o600 })
      })
      for (const command of ["status", "stop"]) {
        const { code, stderr } = yield* run(cwd, ["local", command])
        assert.strictEqual(code, 1)
        assert.include(stderr, file)
      }
      const { pid, stderr } = yield* started(cwd)
      assert.include(stderr, file)
      assert.strictEqual((yield* status(cwd)).pid, pid)
    })
  )

  inRest(test)("stays the same server when its file is damaged or removed", (cwd) =>
    Effect.gen(function* () {
      const file = join(dataOf(cwd), "local.json")
      const { pid } = yield* started(cwd)
      yield* Effect.promise(() => writeFile(file, "{}"))
      assert.strictEqual((yield* started(cwd)).pid, pid)
      yield* Effect.promise(() => rm(file))
      assert.strictEqual((yield* started(cwd)).pid, pid)
      assert.strictEqual((yield* status(cwd)).pid, pid)
    })
  )

  byDefault(test)("keeps its files for its user alone, and its key to itself", (cwd) =>
    Effect.gen(function* () {
      const { E2B_API_KEY, pid } = yield* started(cwd)
      assert.strictEqual(yield* mode(dataOf(cwd)), 0o700)
      assert.strictEqual(yield* mode(join(dataOf(cwd), "local.json")), 0o600)
      assert.strictEqual(yield* mode(join(dataOf(cwd), "local.log")), 0o600)
      const said = yield* run(cwd, ["local", "status"])
      assert.notInclude(said.stdout + said.stderr, E2B_API_KEY)
      assert.include((yield* run(cwd, ["local", "status", "--show-key"])).stdout, E2B_API_KEY)
      const shown = yield* Effect.promise(() =>
        Promise.all(
          [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`, join(dataOf(cwd), "local.log")].map((path) =>
            readFile(path, "utf8")
          )
        )
      )
      assert.notInclude(shown.join("\n"), E2B_API_KEY)
    })
  )

  byDefault(test)("gives the server nothing of the environment of the one who starts it", (cwd) =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run(cwd, background, { OPENAI_API_KEY: "sk-fake" })
      assert.strictEqual(code, 0)
      const { pid } = decodeStarted(stdout)
      assert.notInclude(yield* Effect.promise(() => readFile(`/proc/${pid}/environ`, "utf8")), "sk-fake")
    })
  )

  byDefault(test)("refuses a wrong key and what a browser sends", (cwd) =>
    Effect.gen(function* () {
      const variables = yield* started(cwd)
      const wrong = { "x-api-key": "e2b_wrong" }
      for (const headers of [wrong, {}]) {
        assert.strictEqual(yield* request(variables, "/daemon", { headers }), 401)
        assert.strictEqual(yield* request(variables, "/daemon/presence", { headers }), 401)
        const body = JSON.stringify({ force: true })
        assert.strictEqual(yield* request(variables, "/daemon/stop", { method: "POST", headers, body }), 401)
        assert.strictEqual(yield* request(variables, "/v2/sandboxes", { headers }), 401)
      }
      const page = { "x-api-key": variables.E2B_API_KEY, origin: "https://example.com" }
      assert.strictEqual(yield* request(variables, "/daemon", { headers: page }), 403)
      assert.strictEqual((yield* status(cwd)).pid, variables.pid)
    })
  )

  byDefault(test)("stops at once without sandboxes, and with some only when told that they may end", (cwd) =>
    Effect.gen(function* () {
      const first = yield* started(cwd)
      const empty = yield* run(cwd, ["local", "stop", "--json"])
      assert.deepStrictEqual(
        [empty.code, JSON.parse(empty.stdout)],
        [0, { stopped: true, pid: first.pid, sandboxes: 0 }]
      )
      assert.strictEqual((yield* run(cwd, ["local", "stop"])).code, 3)

      const second = yield* started(cwd)
      yield* create(second)
      yield* sdk(second, `await (await Sandbox.create()).pause()`)
      const members = yield* Effect.promise(() => family(second.pid))
      const refused = yield* run(cwd, ["local", "stop"])
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, "2 sandboxes (1 running, 1 paused)")
      assert.include(refused.stderr, "--yes")
      assert.deepStrictEqual((yield* status(cwd)).sandboxes, { running: 1, paused: 1 })
      const forced = yield* run(cwd, ["local", "stop", "--yes"])
      assert.deepStrictEqual([forced.code, forced.stderr], [0, ""])
      assert.include(forced.stdout, "2 sandboxes")
      assert.deepStrictEqual(yield* Effect.promise(() => survivors(members)), [])
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(dataOf(cwd), "sandboxes"))), [])
    })
  )

  byDefault(test)("keeps a sandbox from one program to the next", (cwd) =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run(cwd, ["local", "serve", "--background"])
      assert.strictEqual(code, 0)
      const evaluated = yield* Effect.promise(() =>
        finish(
          spawn("sh", [
            "-c",
            'eval "$0"; printf "%s\\n" "$E2B_API_URL" "$E2B_SANDBOX_URL" "$E2B_API_KEY"',
            stdout
          ])
        )
      )
      const [E2B_API_URL = "", E2B_SANDBOX_URL = "", E2B_API_KEY = ""] = evaluated.stdout.split("\n")
      const variables = { E2B_API_KEY, E2B_API_URL, E2B_SANDBOX_URL }
      const id = yield* create(variables)
      yield* sdk(variables, `await (await Sandbox.connect("${id}")).files.write("note", "kept")`)
      assert.strictEqual(yield* sdk(variables, list), id)
      assert.deepStrictEqual((yield* status(cwd)).sandboxes, { running: 1, paused: 0 })
      const read = `const box = await Sandbox.connect("${id}")
console.log(await box.files.read("note"))
await box.kill()`
      assert.strictEqual(yield* sdk(variables, read), "kept")
      assert.strictEqual(yield* sdk(variables, list), "")
    })
  )

  inRest(test)("started while another one ends, is a new one", (cwd) =>
    Effect.gen(function* () {
      for (let round = 0; round < 2; round++) {
        const old = yield* started(cwd)
        yield* create(old)
        const [ended, next] = yield* Effect.all(
          [
            run(cwd, ["local", "stop", "--yes"]),
            // In the middle of the end, or before it, or after.
            Effect.promise(() =>
              comes(
                dataOf(cwd),
                () => stat(join(dataOf(cwd), "local.json")).catch(() => undefined),
                (file) => file === undefined || round === 0
              )
            ).pipe(Effect.andThen(started(cwd)))
          ],
          { concurrency: 2 }
        )
        assert.strictEqual(ended.code, 0, ended.stderr)
        const now = yield* status(cwd)
        if (next.pid !== old.pid) assert.strictEqual(now.pid, next.pid)
        yield* run(cwd, ["local", "stop", "--yes"])
      }
    })
  )

  byDefault(test)("serves in a terminal until Ctrl-C, and nobody serves beside it", (cwd) =>
    Effect.gen(function* () {
      const server = start(cwd, ["local", "serve"])
      const ended = finish(server)
      yield* Effect.promise(() => lines(server, 3))
      const variables = yield* started(cwd)
      assert.strictEqual(variables.pid, server.pid)
      yield* create(variables)
      const second = yield* run(cwd, ["local", "serve", "--json"])
      assert.strictEqual(second.code, 1)
      assert.include(second.stdout, `"AlreadyRunning"`)
      assert.include(second.stderr, `pid ${server.pid}`)
      const members = yield* Effect.promise(() => family(server.pid ?? 0))
      yield* signal(server, "SIGINT")
      const { code, stderr, stdout } = yield* Effect.promise(() => ended)
      assert.strictEqual(code, 130)
      assert.include(stderr, "cleaning up")
      assert.match(stdout, /^export E2B_API_URL=\S+\nexport E2B_SANDBOX_URL=\S+\nexport E2B_API_KEY=\S+\n$/)
      assert.deepStrictEqual(yield* Effect.promise(() => survivors(members)), [])
      assert.deepStrictEqual(yield* status(cwd), { code: 3, running: false })
    })
  )

  byDefault(test)("in a terminal, can be stopped from another one", (cwd) =>
    Effect.gen(function* () {
      const server = start(cwd, ["local", "serve"])
      const ended = finish(server)
      yield* Effect.promise(() => lines(server, 3))
      assert.strictEqual((yield* run(cwd, ["local", "stop"])).code, 0)
      const { code, stderr } = yield* Effect.promise(() => ended)
      assert.strictEqual(code, 0)
      assert.include(stderr, "Stopped on request.")
    })
  )

  byDefault(test)("refuses a server with another isolation, and says what to do", (cwd) =>
    Effect.gen(function* () {
      const { pid } = yield* started(cwd, "--isolation", "none")
      const { code, stderr, stdout } = yield* run(cwd, [...background, "--isolation", "auto"])
      assert.strictEqual(code, 2)
      assert.include(stdout, `"IsolationMismatch"`)
      assert.include(stderr, `pid ${pid}`)
      assert.include(stderr, "remote-agent local stop")
      assert.strictEqual((yield* started(cwd)).pid, pid, "without an isolation it is taken as it is")
      assert.strictEqual((yield* started(cwd, "--isolation", "none")).pid, pid)
    })
  )

  byDefault(test)("says why it does not start", (cwd) =>
    Effect.gen(function* () {
      const sandboxes = join(dataOf(cwd), "sandboxes")
      yield* Effect.promise(async () => {
        await mkdir(dataOf(cwd), { recursive: true, mode: 0o700 })
        await writeFile(sandboxes, "")
      })
      const { code, stderr, stdout } = yield* run(cwd, background)
      assert.strictEqual(code, 1)
      assert.include(stdout, `"ServerFailed"`)
      assert.include(stderr, sandboxes)
      yield* Effect.promise(() => rm(sandboxes))
    })
  )

  byDefault(test)("refuses a data folder that others can write in", (cwd) =>
    Effect.gen(function* () {
      const { code, stderr } = yield* run(cwd, background, { REMOTE_AGENT_DATA: "/tmp" })
      assert.strictEqual(code, 2)
      assert.include(stderr, "REMOTE_AGENT_DATA")
    })
  )
})
