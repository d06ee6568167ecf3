import { RemoteAgentConfig, type OrchestratorError, Profile, type SandboxError } from "@remote-agent/domain"
import {
  AgentRuntime,
  LaunchIntents,
  MemoryStateStore,
  Orchestrator,
  Profiles,
  SnapshotIndex
} from "@remote-agent/orchestrator"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Clock, Duration, Effect, FileSystem, Layer, Path, type PlatformError, type Scope } from "effect"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { BenchBroken, type Outcome } from "./Report.ts"

/** The options of the benchmark. */
export interface Options {
  /** The number of files in the repository of the agent. */
  readonly files: number
  readonly rounds: number
}

const broken = (detail: string) => new BenchBroken({ benchmark: "launch", detail })

/** The duration of a query, in seconds. */
const thinking = 2

const answer = `read -r _; sleep ${thinking}; printf '{"type":"result","outcome":"ok","answer":"done"}\\n'`

/** A fixed amount of processor work, which takes some seconds. */
const compile = `
const { createHash } = require("node:crypto")
const block = Buffer.alloc(1 << 20)
for (let round = 0; round < 3000; round++) createHash("sha256").update(block).digest()
`

/** A profile whose setup checks out a repository, copies all its files and uses the processor. Each round has its own. */
const profileOf = (repository: string, round: number) =>
  new Profile.Profile({
    name: `built-${round}`,
    description: "Is set up for some seconds, and answers after two",
    trusted: true,
    source: new Profile.Source({ repository, ref: "main", folder: "{home}/code" }),
    work: "{home}/work",
    assets: [new Profile.Asset({ path: "{run}/round", content: String(round) })],
    setup: [
      new Profile.ProfileCommand({ argv: ["cp", "-r", "{home}/code", "{home}/copy"] }),
      new Profile.ProfileCommand({ argv: ["node", "-e", compile] })
    ],
    health: new Profile.ProfileCommand({ argv: ["test", "-d", "{home}/copy"] }),
    run: new Profile.RunSpec({
      argv: ["bash", "-c", answer],
      input: "stdin-json",
      protocol: "runner-jsonl",
      wallTimeout: Duration.minutes(1),
      idleTimeout: Duration.minutes(1)
    }),
    cacheable: true
  })

const repositoryIn = Effect.fnUntraced(function* (folder: string, files: number) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  for (let index = 0; index < files; index++) {
    const below = path.join(folder, `part-${index % 50}`)
    if (index < 50) yield* fs.makeDirectory(below)
    yield* fs.writeFileString(path.join(below, `file-${index}`), `${index}\n`.repeat(200))
  }
  const git = (...args: ReadonlyArray<string>) =>
    Effect.tryPromise({
      try: () =>
        promisify(execFile)("git", ["-C", folder, "-c", "user.name=B", "-c", "user.email=b@h.test", ...args]),
      catch: (cause) => broken(`git failed: ${String(cause)}`)
    })
  yield* git("init", "--quiet", "-b", "main")
  yield* git("add", ".")
  yield* git("commit", "--quiet", "-m", "all")
})

const timed = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const before = yield* Clock.currentTimeNanos
  const value = yield* effect
  return [Number((yield* Clock.currentTimeNanos) - before) / 1e6, value] as const
})

/** One round: a launch with setup, a launch from the setup snapshot, and queries to the second agent. */
const round = Effect.fnUntraced(function* (profile: string) {
  const { agents } = yield* Orchestrator.Orchestrator
  const [first] = yield* timed(agents.launchScoped({ profile }))
  const [second, agent] = yield* timed(agents.launchScoped({ profile }))
  if (agent.record.binding === undefined) return yield* broken("an agent has no sandbox")
  const { sandbox } = yield* (yield* Sandboxes.Sandboxes).connect(
    agent.record.binding.sandboxId,
    "10 minutes"
  )
  const [asked, bare] = [new Array<number>(), new Array<number>()]
  for (let turn = 0; turn < 3; turn++) {
    const [ours, result] = yield* timed(agent.query("?"))
    const [theirs, ended] = yield* timed(sandbox.exec({ argv: ["bash", "-c", answer], stdin: "{}\n" }))
    if (result.answer !== "done" || ended.exitCode !== 0) return yield* broken("an answer is wrong")
    asked.push(ours)
    bare.push(theirs)
  }
  return { first, second, asked, bare }
}, Effect.scoped)

/** Measures the first and the second launch, and the overhead of a query over its program alone in the same sandbox. */
export const run = Effect.fn("bench.launch")(function* ({
  files,
  rounds
}: Options): Effect.fn.Return<
  Outcome,
  | BenchBroken
  | RemoteAgentConfig.ConfigError
  | OrchestratorError.OrchestratorError
  | PlatformError.PlatformError
  | SandboxError.SandboxError,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  yield* repositoryIn(folder, files)
  const profiles = Array.from({ length: rounds }, (_, index) => profileOf(folder, index))
  const layer = Orchestrator.layerNoDeps.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        LocalSandboxes.layer(),
        AgentRuntime.layer,
        Profiles.layerFrom(profiles),
        MemoryStateStore.layer,
        LaunchIntents.layerMemory,
        SnapshotIndex.layerMemory,
        RemoteAgentConfig.layerFrom({})
      )
    )
  )
  const all = yield* Effect.forEach(profiles, ({ name }) => round(name)).pipe(Effect.provide(layer))
  return {
    measures: [
      {
        name: "launch: again, to ready",
        unit: "ms",
        ours: all.map(({ second }) => second),
        reference: { name: "first launch", samples: all.map(({ first }) => first) },
        aim: { kind: "cost", atMost: 0.2 }
      },
      {
        name: `query of ${thinking} s`,
        unit: "ms",
        ours: all.flatMap(({ asked }) => asked),
        reference: { name: "its program alone", samples: all.flatMap(({ bare }) => bare) },
        aim: { kind: "cost", atMost: 1.1 }
      }
    ],
    notes: [
      `launch: a checkout of ${files} files, a copy of them, and some seconds of work; the first launch also keeps the set-up.`
    ]
  }
}, Effect.scoped)
