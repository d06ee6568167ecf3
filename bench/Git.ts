import type { GitError, SandboxError } from "@remote-agent/domain"
import { GitWorkspace } from "@remote-agent/github"
import { LocalSandboxes, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import {
  Console,
  Duration,
  Effect,
  FileSystem,
  type Path,
  type PlatformError,
  Redacted,
  type Scope,
  Stream
} from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { execFile } from "node:child_process"
import { env } from "node:process"
import { promisify } from "node:util"
import * as GitServer from "../packages/github/test/support/gitServer.ts"
import { BenchBroken, type Outcome } from "./Report.ts"

/** The options of the benchmark. */
export interface Options {
  readonly files: number
  /** The total size of all files, whose contents do not compress. */
  readonly megabytes: number
  readonly rounds: number
}

const broken = (detail: string) => new BenchBroken({ benchmark: "git", detail })

const name = "bench/repository"

/** Creates one commit of many files with incompressible contents, with `git fast-import`. */
const fill = Effect.fn("bench.git.fill")(function* (folder: string, files: number, megabytes: number) {
  const size = Math.floor((megabytes * 1024 * 1024) / files)
  const random = `
const { createHash } = require("node:crypto")
const out = []
const say = (text) => out.push(Buffer.from(text))
say("commit refs/heads/main\\ncommitter A <a@example.invalid> 1700000000 +0000\\ndata 1\\nx\\n")
for (let at = 0; at < ${files}; at++) {
  say("M 100644 inline folder" + (at % 200) + "/file" + at + ".bin\\ndata ${size}\\n")
  let content = Buffer.alloc(0)
  for (let part = 0; content.length < ${size}; part++) content = Buffer.concat([content, createHash("sha512").update(at + ":" + part).digest()])
  out.push(content.subarray(0, ${size}), Buffer.from("\\n"))
}
process.stdout.write(Buffer.concat(out))
`
  yield* Effect.tryPromise({
    try: (signal) =>
      promisify(execFile)(
        "/bin/sh",
        ["-c", '"$1" -e "$2" | git -C "$3" fast-import --quiet', "sh", process.execPath, random, folder],
        { signal }
      ),
    catch: () => broken("the repository could not be made")
  })
})

/** A sandbox that counts the round trips to it. */
const counted = (sandbox: Sandbox.Sandbox) => {
  let trips = 0
  const one = <A, E>(call: Effect.Effect<A, E>) => Effect.suspend(() => (trips++, call))
  const { files } = sandbox
  const watched: Sandbox.Sandbox = {
    ...sandbox,
    exec: (command) => one(sandbox.exec(command)),
    spawn: (command) => Stream.suspend(() => (trips++, sandbox.spawn(command))),
    files: {
      read: (path, options) => one(files.read(path, options)),
      readString: (path, options) => one(files.readString(path, options)),
      stream: files.stream,
      write: (path, content) => one(files.write(path, content)),
      list: (path) => one(files.list(path)),
      stat: (path) => one(files.stat(path)),
      remove: (path) => one(files.remove(path)),
      rename: (from, to) => one(files.rename(from, to)),
      makeDir: (path) => one(files.makeDir(path)),
      prepare: (all) => one(files.prepare(all)),
      watch: files.watch
    }
  }
  return { sandbox: watched, trips: () => trips }
}

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.timed(effect), ([duration, value]) => ({ value, millis: Duration.toMillis(duration) }))

/** Compares clone and pull by relay with git in the sandbox that contacts the server itself. */
export const run = Effect.fn("bench.git")(
  function* ({
    files,
    megabytes,
    rounds
  }: Options): Effect.fn.Return<
    Outcome,
    BenchBroken | GitError.GitError | SandboxError.SandboxError | PlatformError.PlatformError,
    | Sandboxes.Sandboxes
    | FileSystem.FileSystem
    | Path.Path
    | ChildProcessSpawner.ChildProcessSpawner
    | Scope.Scope
  > {
    const fs = yield* FileSystem.FileSystem
    const server = yield* GitServer.make()
    const folder = yield* server.createRepository(name, { private: false })
    yield* fill(folder, files, megabytes)
    const samples = {
      cold: new Array<number>(),
      warm: new Array<number>(),
      direct: new Array<number>(),
      pull: new Array<number>(),
      pullDirect: new Array<number>(),
      trips: new Array<number>()
    }
    const sandboxes = yield* Sandboxes.Sandboxes
    for (let round = 0; round < rounds; round++) {
      yield* Effect.gen(function* () {
        const git = yield* GitWorkspace.make({
          cache: { directory: yield* fs.makeTempDirectoryScoped({ prefix: "bench-git-" }) },
          baseUrl: server.url,
          token: () => Effect.succeed(Redacted.make(Redacted.value(server.token))),
          host: { path: env["PATH"] }
        })
        const sandbox = yield* sandboxes.create({ ttl: "1 hour" })
        const clone = (dir: string, mode: GitWorkspace.Mode) =>
          timed(git.clone(sandbox, { repository: name, dir, mode }))
        const direct = yield* clone("direct", "direct")
        const cold = yield* clone("cold", "relay")
        const warm = yield* clone("warm", "relay")
        samples.direct.push(direct.millis)
        samples.cold.push(cold.millis)
        samples.warm.push(warm.millis)
        const commit = yield* server.commit(name, "main", { "folder0/file0.bin": `round ${round}\n` })
        const watched = counted(sandbox)
        const pulled = yield* timed(git.pull({ ...warm.value, sandbox: watched.sandbox }))
        const pulledDirect = yield* timed(git.pull(direct.value))
        samples.pull.push(pulled.millis)
        samples.pullDirect.push(pulledDirect.millis)
        samples.trips.push(watched.trips())
        const commits = [pulled.value.commit, pulledDirect.value.commit]
        if (commits.some((one) => one !== commit)) return yield* broken("a pull did not bring the commit")
        yield* Console.error(`git: round ${round + 1} of ${rounds}`)
      }).pipe(Effect.scoped)
    }
    const what = `git ${files} files, ${megabytes} MB`
    return {
      measures: [
        {
          name: `${what}: clone by relay, nothing kept`,
          unit: "ms",
          ours: samples.cold,
          reference: { name: "direct clone", samples: samples.direct }
        },
        {
          name: `${what}: clone by relay, kept by the host`,
          unit: "ms",
          ours: samples.warm,
          reference: { name: "direct clone", samples: samples.direct }
        },
        {
          name: `${what}: pull of one commit by relay`,
          unit: "ms",
          ours: samples.pull,
          reference: { name: "direct pull", samples: samples.pullDirect }
        },
        {
          name: `${what}: trips to the sandbox per pull`,
          unit: "requests",
          ours: samples.trips,
          reference: { name: "of three", samples: samples.trips.map(() => 3) },
          aim: { kind: "cost", atMost: 1 }
        }
      ],
      notes: [
        "git: the server, the host and the sandbox are this machine; a network in between costs each side alike."
      ]
    } satisfies Outcome
  },
  Effect.scoped,
  Effect.provide(LocalSandboxes.layer())
)
