import { Clock, Console, Effect, FileSystem, Option, Path } from "effect"
import { spawnSync } from "node:child_process"
import { BenchBroken, type Measure, type Outcome } from "./Report.ts"

/** The options of the benchmark. */
export interface Options {
  /** The root of the repository. */
  readonly root: string
  readonly runs: number
  /** The JavaScript file of another command line tool, for the comparison of `--version`. */
  readonly peer?: string | undefined
}

const broken = (detail: string) => new BenchBroken({ benchmark: "cold-start", detail })

/** The bundle of the binary, below the root of the repository. */
export const bundle = "packages/remote-agent/dist/bundle/remote-agent.mjs"

/** Prints the peak memory of a process in KiB, after the process's own output on stderr. */
const gnuTime = "/usr/bin/time"

const execute = Effect.fnUntraced(function* (
  command: string,
  args: ReadonlyArray<string>,
  cwd: string,
  data?: string
) {
  const before = yield* Clock.currentTimeNanos
  // Synchronous, so that this process does no other work meanwhile.
  const { status, stderr, stdout } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    ...(data === undefined ? {} : { env: { ...process.env, REMOTE_AGENT_DATA: data, XDG_CACHE_HOME: data } })
  })
  const after = yield* Clock.currentTimeNanos
  if (status !== 0) return yield* broken(`${command} ${args.join(" ")} failed: ${stderr}`)
  return { millis: Number(after - before) / 1e6, stdout, stderr }
})

const newest = Effect.fnUntraced(function* (folder: string) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  const names = yield* fs.readDirectory(folder, { recursive: true })
  const times = yield* Effect.forEach(names, (name) => modified(path.join(folder, name)), { concurrency: 16 })
  return Math.max(...times)
})

const modified = Effect.fnUntraced(function* (file: string) {
  const { mtime } = yield* (yield* FileSystem.FileSystem).stat(file)
  return Option.match(mtime, { onNone: () => 0, onSome: (date) => date.getTime() })
})

/** Bundles the binary unless the bundle is newer than all its sources. */
export const prepare = Effect.fn("bench.bundle")(function* (root: string) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  const at = (...names: ReadonlyArray<string>) => path.join(root, ...names)
  const packages = yield* fs.readDirectory(at("packages"))
  const folders = packages.flatMap((name) => [at("packages", name, "src"), at("packages", name, "assets")])
  const present = yield* Effect.filter(folders, fs.exists)
  const sources = [
    ...(yield* Effect.forEach(present, newest)),
    yield* modified(at("rolldown.config.ts")),
    yield* modified(at("pnpm-lock.yaml"))
  ]
  const built = (yield* fs.exists(at(bundle))) ? yield* modified(at(bundle)) : 0
  if (built > Math.max(...sources)) return
  yield* Console.error("cold-start: bundling the binary")
  yield* execute(at("node_modules/.bin/rolldown"), ["-c", "rolldown.config.ts"], root)
})

interface Subject {
  readonly name: string
  readonly args: ReadonlyArray<string>
  /** The expected output. */
  readonly prints: RegExp
  readonly aim?: Measure["aim"]
}

/** The agent that is looked at and asked, in a sandbox of the local server. */
const agentName = "bench"

const bare: Subject = { name: "node -e 0", args: ["-e", "0"], prints: /^$/ }

const subjects: ReadonlyArray<Subject> = [
  {
    name: "--version",
    args: [bundle, "--version"],
    prints: /^\d+\.\d+\.\d+\s*$/,
    aim: { kind: "cost", atMost: 3 }
  },
  {
    name: "--help",
    args: [bundle, "--help"],
    prints: /remote-agent/,
    aim: { kind: "cost", atMost: 2 }
  },
  {
    name: "list",
    args: [bundle, "list", "-q"],
    prints: /^agt_\w+\n$/,
    aim: { kind: "cost", atMost: 2.5 }
  },
  { name: "queries", args: [bundle, "queries", "-q"], prints: /^(?:qry_\w+\n)*$/ },
  { name: "info", args: [bundle, "info", agentName], prints: /running/ },
  {
    name: "query of the sample agent",
    args: [bundle, "query", agentName, "AAPL revenue 2024", "-q"],
    prints: /391,035/,
    aim: { kind: "figure", atMost: 600 }
  }
]

const peerOf = (file: string): Subject => ({
  name: "the peer's --version",
  args: [file, "--version"],
  prints: /\d/
})

/** Starts the bundled binary and bare `node` alternately, each in its own process. */
export const run = Effect.fn("bench.cold-start")(function* ({ peer, root, runs }: Options) {
  const fs = yield* FileSystem.FileSystem
  const data = yield* fs.makeTempDirectoryScoped({ prefix: "cold-start-" })
  yield* prepare(root)
  const binary = (...args: ReadonlyArray<string>) => execute(process.execPath, [bundle, ...args], root, data)
  yield* Effect.acquireRelease(binary("launch", "--name", agentName), () =>
    Effect.orDie(Effect.andThen(binary("terminate", agentName), binary("local", "stop", "--yes")))
  )
  const withMemory = yield* fs.exists(gnuTime)
  const other = peer === undefined ? undefined : peerOf(peer)
  const all = [bare, ...subjects, ...(other === undefined ? [] : [other])]
  const wall = new Map<Subject, Array<number>>(all.map((subject) => [subject, []]))
  const memory = new Map<Subject, Array<number>>(all.map((subject) => [subject, []]))
  // The first start of each is not counted: it reads the files into the file cache.
  for (let index = -1; index < runs; index++) {
    for (const subject of all) {
      const { millis, stdout } = yield* execute(process.execPath, subject.args, root, data)
      if (!subject.prints.test(stdout)) return yield* broken(`${subject.name} printed "${stdout}"`)
      if (index >= 0) wall.get(subject)?.push(millis)
    }
  }
  for (let index = 0; index < (withMemory ? 3 : 0); index++) {
    for (const subject of all) {
      const { stderr } = yield* execute(gnuTime, ["-f", "%M", process.execPath, ...subject.args], root, data)
      memory.get(subject)?.push(Number(stderr.trim().split("\n").at(-1)) / 1024)
    }
  }
  // Other load on the machine only makes a start slower, never faster.
  const fastest = new Map([...wall].map(([subject, samples]) => [subject, [Math.min(...samples)]] as const))
  const measure = (
    what: string,
    unit: Measure["unit"],
    samples: ReadonlyMap<Subject, ReadonlyArray<number>>,
    subject: Subject,
    aim?: Measure["aim"],
    beside: Subject = bare
  ): Measure => ({
    name: `cold start: ${subject.name}${what}`,
    unit,
    ours: samples.get(subject) ?? [],
    reference: { name: beside.name, samples: samples.get(beside) ?? [] },
    aim
  })
  const [version] = subjects
  const against =
    other === undefined || version === undefined
      ? []
      : [
          measure(" against a peer", "ms", wall, version, { kind: "cost", atMost: 0.5 }, other),
          ...(withMemory
            ? [measure(", memory against a peer", "MB", memory, version, { kind: "cost", atMost: 1 }, other)]
            : [])
        ]
  return {
    measures: [
      ...subjects.flatMap((subject) => [
        measure("", "ms", wall, subject, subject.aim),
        measure(", fastest", "ms", fastest, subject),
        ...(withMemory ? [measure(", memory", "MB", memory, subject)] : [])
      ]),
      ...against
    ],
    notes: withMemory ? [] : [`There is no ${gnuTime} here, so memory was not measured.`]
  } satisfies Outcome
}, Effect.scoped)
