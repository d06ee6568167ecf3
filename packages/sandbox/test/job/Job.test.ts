import { E2bServer } from "@remote-agent/e2b-local"
import { Job, LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { assert, layer, vi } from "@effect/vitest"
import { chosen, type Kind, works } from "#test/isolation"
import { describeWhere } from "#test/where"
import { Effect, Redacted, Schedule, Stream } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { awaits, chance, eventually, family, Log, readOn, readUntil, runningOf } from "../support/jobs.ts"

// The duration of real processes and requests depends on the machine.
vi.setConfig({ testTimeout: 120_000 })

const box = Effect.flatMap(Sandboxes.Sandboxes, (sandboxes) => sandboxes.create({ ttl: "5 minutes" }))

const reasonOf = <A, E extends { readonly reason: { readonly _tag: string } }, R>(
  effect: Effect.Effect<A, E, R>
) => Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

const sequence = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}\n`).join("")

const suite = (isolation: Kind) =>
  describeWhere(works(isolation), `${isolation} does not work here`)(`Job, isolation ${isolation}`, () => {
    layer(LocalSandboxes.layer({ isolation }), { excludeTestServices: true })((local) => {
      local.effect("ends although its watch was killed before it could write the cause", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const cause = ".remote-agent/jobs/unlucky/cause"
          const ref = yield* Job.start(
            sandbox,
            { script: `: > ${cause}; echo out; exit 3` },
            { id: "unlucky" }
          )
          const log = yield* readOn(sandbox, ref)
          assert.deepStrictEqual([log.stdout.toString(), log.end], ["out\n", { _tag: "Exited", exitCode: 3 }])
        }).pipe(Effect.scoped)
      )

      local.effect("returns both streams and the exit code", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const ref = yield* Job.start(sandbox, { script: "echo out; echo err >&2; echo more; exit 3" })
          assert.isTrue(ref.fresh)
          const log = yield* readOn(sandbox, ref)
          assert.deepStrictEqual(
            [log.stdout.toString(), log.stderr.toString(), log.end],
            ["out\nmore\n", "err\n", { _tag: "Exited", exitCode: 3 }]
          )
          assert.deepStrictEqual(yield* Job.status(sandbox, ref), { _tag: "Exited", exitCode: 3 })
          const { stdout } = yield* sandbox.exec({
            script: `stat -c %a ${ref.directory} .remote-agent/jobs; find ${ref.directory} -perm /077`
          })
          assert.strictEqual(stdout, "700\n700\n")
        }).pipe(Effect.scoped)
      )

      local.effect("starts and reads a job in one command, and starts it only once", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const command = { script: "echo run >>runs; cat; exit 3", stdin: "é\n".repeat(50_000) }
          for (let times = 0; times < 2; times++) {
            const log = new Log()
            yield* Stream.runForEach(Job.run(sandbox, command, { id: "q_1" }), (event) =>
              Effect.sync(() => log.add(event))
            )
            assert.strictEqual(log.stdout.toString(), command.stdin)
            assert.deepStrictEqual(log.end, { _tag: "Exited", exitCode: 3 })
          }
          assert.strictEqual(yield* sandbox.files.readString("runs"), "run\n")
          assert.strictEqual(
            yield* reasonOf(
              Stream.runDrain(Job.run(sandbox, { script: ":", cwd: "nowhere" }, { id: "q_2" }))
            ),
            "InvalidRequest"
          )
        }).pipe(Effect.scoped)
      )

      local.effect("removes ended jobs with the prefix, and no others", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const over = { script: ":" }
          yield* readOn(sandbox, yield* Job.start(sandbox, over, { id: "q_old" }))
          yield* readOn(sandbox, yield* Job.start(sandbox, over, { id: "other" }))
          const running = yield* Job.start(sandbox, { script: "exec sleep 600" }, { id: "q_running" })
          yield* Stream.runDrain(Job.run(sandbox, over, { id: "q_new", clear: "q_" }))
          yield* Stream.runDrain(Job.run(sandbox, over, { id: "q_new", clear: "q_" }))
          assert.strictEqual(yield* reasonOf(Job.attach(sandbox, "q_old")), "FileNotFound")
          for (const id of ["other", "q_running", "q_new"]) yield* Job.attach(sandbox, id)
          yield* Job.kill(sandbox, running, { grace: 0 })
        }).pipe(Effect.scoped)
      )

      local.effect("continues when the stream that started it is left", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const command = { script: `echo up; ${awaits("go")}; echo done` }
          const some = Job.run(sandbox, command, { id: "q_1" })
          const [first] = yield* Stream.runCollect(Stream.take(some, 1))
          assert.strictEqual(first?._tag, "Stdout")
          yield* sandbox.files.write("go", "")
          const log = yield* readOn(sandbox, yield* Job.attach(sandbox, "q_1"))
          assert.strictEqual(log.stdout.toString(), "up\ndone\n")
        }).pipe(Effect.scoped)
      )

      local.effect("passes arguments, input, folder and variables, and adds none", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          yield* sandbox.files.makeDir("in here")
          const words = ["", "a b", "'", "$HOME", "`id`", "\n", "é😀", "-n"]
          const stdin = Uint8Array.from({ length: 100_000 }, (_, index) => index & 255)
          const argv = [
            "bash",
            "-c",
            'pwd; umask; printf "%s\\0" "$A" "$PATH" "$@"; env | grep -c OLDPWD; echo; exec cat',
            "name",
            ...words
          ] as const
          const env = { A: "x ' y", PATH: "/bin:/usr/bin:/x" }
          const ref = yield* Job.start(sandbox, { argv, stdin, env, cwd: "in here" })
          const log = yield* readOn(sandbox, ref)
          const { stdout: home } = yield* sandbox.exec({ script: "pwd; umask" })
          const [at = "", mask = ""] = home.split("\n")
          const head = `${at}/in here\n${mask}\n${["x ' y", env.PATH, ...words].join("\0")}\u{0}0\n\n`
          assert.strictEqual(log.stderr.toString(), "")
          assert.isTrue(log.stdout.equals(Buffer.concat([Buffer.from(head), stdin])))
          const none = yield* Job.start(sandbox, { argv: ["cat"] })
          assert.deepStrictEqual((yield* readOn(sandbox, none)).end, { _tag: "Exited", exitCode: 0 })
          const missing = yield* Job.start(sandbox, { argv: ["no-such-program"] })
          assert.deepStrictEqual((yield* readOn(sandbox, missing)).end, { _tag: "Exited", exitCode: 127 })
          const long = yield* Job.start(sandbox, { script: `word=${"x".repeat(200_000)}\necho \${#word} $0` })
          assert.strictEqual((yield* readOn(sandbox, long)).stdout.toString(), "200000 bash\n")
        }).pipe(Effect.scoped)
      )

      local.effect("reads the output after any output of the sandbox's shell profile", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const banner = `echo "welcome"; echo "o 0 3=hi"; printf '%0.s=' {1..1000}; printf lost`
          yield* sandbox.files.write(".profile", banner)
          const { stdout } = yield* sandbox.exec({ argv: ["true"] })
          assert.isTrue(stdout.startsWith("welcome\n"), "the profile should be read")
          const events = yield* Stream.runCollect(
            Job.run(sandbox, { script: "echo first" }, { id: "q_1", reattach: Schedule.recurs(0) })
          )
          assert.deepStrictEqual(events.at(-1), { _tag: "Exited", exitCode: 0 })
          const ref = yield* Job.attach(sandbox, "q_1")
          const log = yield* readOn(sandbox, ref)
          assert.strictEqual(log.stdout.toString(), "first\n")
          assert.deepStrictEqual(yield* Job.status(sandbox, ref), { _tag: "Exited", exitCode: 0 })
        }).pipe(Effect.scoped)
      )

      local.effect("refuses invalid ids, folders and variables", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const ids = [
            "",
            ".",
            "..",
            ".new-x",
            "a/b",
            "../x",
            "a b",
            "a\nb",
            "-x",
            "$(id)",
            "é",
            "x".repeat(101)
          ]
          for (const id of ids) {
            assert.strictEqual(
              yield* reasonOf(Job.start(sandbox, { script: ":" }, { id })),
              "InvalidRequest",
              id
            )
            assert.strictEqual(yield* reasonOf(Job.attach(sandbox, id)), "InvalidRequest", id)
          }
          assert.strictEqual(
            yield* reasonOf(Job.start(sandbox, { script: ":", cwd: "nowhere" })),
            "InvalidRequest"
          )
          assert.strictEqual(
            yield* reasonOf(Job.start(sandbox, { script: ":", env: { "A=B": "c" } })),
            "InvalidRequest"
          )
        }).pipe(Effect.scoped)
      )

      local.effect("runs once when many clients start it at the same time", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const script = `echo ran >>runs; ${awaits("go")}`
          const start = Job.start(sandbox, { script }, { id: "one.and-only" })
          const all = yield* Effect.all(
            Array.from({ length: 20 }, () => start),
            { concurrency: 20 }
          )
          assert.strictEqual(all.filter(({ fresh }) => fresh).length, 1)
          yield* sandbox.files.write("go", "")
          const ref = yield* Job.attach(sandbox, "one.and-only")
          assert.deepStrictEqual((yield* readOn(sandbox, ref)).end, { _tag: "Exited", exitCode: 0 })
          assert.isFalse((yield* start).fresh)
          assert.strictEqual(yield* sandbox.files.readString("runs"), "ran\n")
          const { stdout } = yield* sandbox.exec({ script: "ls -A .remote-agent/jobs" })
          assert.strictEqual(stdout, "one.and-only\n")
        }).pipe(Effect.scoped)
      )

      local.effect("emits a character when all its bytes have arrived", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const script = `printf 'a\\360\\237'; ${awaits("go")}; printf '\\230\\200\\377b\\303'`
          const ref = yield* Job.start(sandbox, { script })
          const told: Array<readonly [string, number]> = []
          yield* Job.read(sandbox, ref).pipe(
            Stream.tap((event) =>
              event._tag === "Stdout" && event.cursor.stdout === 3
                ? sandbox.files.write("go", "")
                : Effect.void
            ),
            Job.text,
            Stream.runForEach((event) =>
              Effect.sync(() => void ("text" in event && told.push([event.text, event.cursor.stdout])))
            )
          )
          assert.deepStrictEqual(told, [
            ["a", 1],
            ["😀\ufffdb", 7],
            ["\ufffd", 8]
          ])
        }).pipe(Effect.scoped)
      )

      local.effect("is read from any cursor without gaps or repetitions", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const ref = yield* Job.start(sandbox, { script: "seq 1 150000 | tee /dev/stderr" })
          const next = chance(42)
          const log = new Log()
          let reads = 0
          while (log.end === undefined) {
            let left = 1 + next(12)
            yield* readUntil(sandbox, ref, log, () => --left <= 0)
            reads++
          }
          const expected = sequence(150_000)
          assert.isAbove(reads, 2)
          assert.isTrue(log.stdout.equals(Buffer.from(expected)))
          assert.isTrue(log.stderr.equals(Buffer.from(expected)))
        }).pipe(Effect.scoped)
      )

      local.effect("continues when its client is killed, and another client reads on", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const { apiKey, url } = yield* E2bServer.E2bServer
          const script = `seq 1 50000; ${awaits("go")}; seq 50001 100000`
          const ref = yield* Job.start(sandbox, { script }, { id: "shared" })
          const log = new Log()
          yield* Effect.promise(async () => {
            const client = spawn(
              process.execPath,
              [
                fileURLToPath(new URL("../fixtures/jobClient.ts", import.meta.url)),
                url,
                sandbox.id,
                "shared"
              ],
              {
                env: { ...process.env, JOB_CLIENT_KEY: Redacted.value(apiKey) },
                stdio: ["ignore", "pipe", "inherit"]
              }
            )
            for await (const line of createInterface(client.stdout)) {
              const [tag, stdout, stderr, base64 = ""] = line.split(" ")
              if (tag !== "Stdout") continue
              const cursor = { stdout: Number(stdout), stderr: Number(stderr) }
              log.add({ _tag: tag, bytes: Buffer.from(base64, "base64"), cursor })
              if (cursor.stdout > 100_000) break
            }
            client.kill("SIGKILL")
          })
          assert.isUndefined(log.end)
          yield* sandbox.files.write("go", "")
          yield* readOn(sandbox, yield* Job.attach(sandbox, "shared"), log)
          assert.strictEqual(log.stdout.toString(), sequence(100_000))
          assert.deepStrictEqual(log.end, { _tag: "Exited", exitCode: 0 })
          assert.deepStrictEqual((yield* readOn(sandbox, ref)).stdout.length, log.stdout.length)
        }).pipe(Effect.scoped)
      )

      local.effect("pauses and resumes with its sandbox", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const { pause, resume } = yield* Sandboxes.Sandboxes
          const script = `i=0; until [ -e go ]; do echo $((i += 1)); sleep 0.01; done; echo over`
          const ref = yield* Job.start(sandbox, { script, timeouts: { idle: "1 minute" } })
          const log = new Log()
          yield* readUntil(sandbox, ref, log, ({ cursor }) => cursor.stdout > 20)
          const [reason] = yield* Effect.all([reasonOf(readOn(sandbox, ref, log)), pause(sandbox.id)], {
            concurrency: 2
          })
          assert.strictEqual(reason, "Paused")
          assert.strictEqual(yield* reasonOf(Job.status(sandbox, ref)), "Paused")
          yield* resume(sandbox.id, "5 minutes")
          const slept = log.cursor.stdout
          yield* readUntil(sandbox, ref, log, ({ cursor }) => cursor.stdout > slept + 20)
          yield* sandbox.files.write("go", "")
          yield* readOn(sandbox, ref, log)
          const lines = log.stdout.toString().trimEnd().split("\n")
          assert.deepStrictEqual(lines, [...lines.keys()].slice(1).map(String).concat("over"))
          assert.deepStrictEqual(log.end, { _tag: "Exited", exitCode: 0 })
        }).pipe(Effect.scoped)
      )

      for (const [by, timeouts, script] of [
        ["wall", { wall: "1500 millis" }, `${family} while :; do echo tick; sleep 0.05; done`],
        ["idle", { idle: "1500 millis", wall: "10 minutes" }, `${family} echo once; sleep 600`]
      ] as const) {
        local.effect(`is killed by its ${by} timeout with all it started, though nobody is there`, () =>
          Effect.gen(function* () {
            const sandbox = yield* box
            const ref = yield* Job.start(sandbox, { script, timeouts })
            const status = yield* eventually(Job.status(sandbox, ref), ({ _tag }) => _tag !== "Running")
            assert.deepInclude(status, { _tag: "Killed", by })
            assert.strictEqual((yield* sandbox.files.readString("pids")).trim().split("\n").length, 4)
            assert.deepStrictEqual(yield* runningOf(sandbox, "pids"), [])
            assert.deepInclude((yield* readOn(sandbox, ref)).end, { _tag: "Killed", by })
          }).pipe(Effect.scoped)
        )
      }

      local.effect("may write output after SIGTERM", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const script = `trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.02; done`
          const ref = yield* Job.start(sandbox, { script })
          const log = new Log()
          yield* readUntil(sandbox, ref, log, ({ cursor }) => cursor.stdout > 0)
          // Output after SIGTERM comes after `before`.
          const before = { stdout: "ready\n".length, stderr: 0 }
          const end = { _tag: "Killed", by: "request", exitCode: 4, before } as const
          assert.deepStrictEqual(yield* Job.kill(sandbox, ref, { grace: "1 minute" }), end)
          assert.deepStrictEqual(yield* Job.kill(sandbox, ref), end)
          yield* readOn(sandbox, ref, log)
          assert.deepStrictEqual([log.stdout.toString(), log.end], ["ready\nbye\n", end])
        }).pipe(Effect.scoped)
      )

      local.effect("is killed with everything it started when it ignores SIGTERM", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const script = `trap '' TERM; ${family} : >ready; while :; do sleep 0.02; done`
          const ref = yield* Job.start(sandbox, { script })
          yield* eventually(Effect.option(sandbox.files.stat("ready")), ({ _tag }) => _tag === "Some")
          assert.deepStrictEqual(yield* Job.kill(sandbox, ref, { grace: "200 millis" }), {
            _tag: "Killed",
            by: "request",
            exitCode: 137,
            before: { stdout: 0, stderr: 0 }
          })
          assert.deepStrictEqual(yield* runningOf(sandbox, "pids"), [])
        }).pipe(Effect.scoped)
      )

      local.effect("is lost when its supervisor is killed, and leaves no process running", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          const ref = yield* Job.start(sandbox, { script: `${family} echo ready; sleep 600` }, { id: "lost" })
          const log = new Log()
          yield* readUntil(sandbox, ref, log, ({ cursor }) => cursor.stdout > 0)
          yield* sandbox.exec({ script: `read -r pid _ <${ref.directory}/pid; kill -KILL "$pid"` })
          yield* readOn(sandbox, ref, log)
          assert.deepStrictEqual([log.stdout.toString(), log.end], ["ready\n", { _tag: "Lost" }])
          assert.deepStrictEqual(
            yield* eventually(runningOf(sandbox, "pids"), (left) => left.length === 0),
            []
          )
          assert.deepStrictEqual(yield* Job.status(sandbox, ref), { _tag: "Lost" })
          assert.deepStrictEqual(yield* Job.kill(sandbox, ref), { _tag: "Lost" })
          assert.isFalse((yield* Job.start(sandbox, { script: ":" }, { id: "lost" })).fresh)
        }).pipe(Effect.scoped)
      )

      local.effect("is gone after its removal, and its id is free", () =>
        Effect.gen(function* () {
          const sandbox = yield* box
          assert.strictEqual(yield* reasonOf(Job.attach(sandbox, "a")), "FileNotFound")
          const ref = yield* Job.start(sandbox, { script: `${family} : >ready; sleep 600` }, { id: "a" })
          yield* eventually(Effect.option(sandbox.files.stat("ready")), ({ _tag }) => _tag === "Some")
          yield* Job.remove(sandbox, ref)
          assert.deepStrictEqual(yield* runningOf(sandbox, "pids"), [])
          assert.deepStrictEqual(yield* Job.status(sandbox, ref), { _tag: "NeverStarted" })
          assert.strictEqual(yield* reasonOf(readOn(sandbox, ref)), "FileNotFound")
          yield* Job.remove(sandbox, ref)
          assert.deepStrictEqual(yield* sandbox.files.list(".remote-agent/jobs"), [])
          assert.isTrue((yield* Job.start(sandbox, { script: ":" }, { id: "a" })).fresh)
        }).pipe(Effect.scoped)
      )

      local.effect("ends with its sandbox", () =>
        Effect.gen(function* () {
          const sandboxes = yield* Sandboxes.Sandboxes
          const sandbox = yield* box
          const ref = yield* Job.start(sandbox, { script: "echo ready; sleep 600" })
          const log = new Log()
          yield* readUntil(sandbox, ref, log, ({ cursor }) => cursor.stdout > 0)
          const [reason] = yield* Effect.all(
            [reasonOf(readOn(sandbox, ref, log)), sandboxes.terminate(sandbox.id)],
            { concurrency: 2 }
          )
          assert.strictEqual(reason, "Gone")
        }).pipe(Effect.scoped)
      )
    })
  })

for (const kind of chosen(["bubblewrap", "namespaces", "none"])) suite(kind)
