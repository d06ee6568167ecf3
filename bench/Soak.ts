import type { SandboxError } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import {
  Clock,
  Console,
  Duration,
  Effect,
  Fiber,
  FileSystem,
  type PlatformError,
  Ref,
  type Scope
} from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { BenchBroken, type Measure, type Outcome } from "./Report.ts"

/** The duration, and the number of concurrent sandboxes. */
export interface Options {
  readonly minutes: number
  readonly sandboxes: number
}

const MiB = 1024 * 1024

interface Sample {
  readonly memory: number
  readonly descriptors: number
}

/** The processes that descend from this one. */
const descendants = Effect.sync(() => {
  const parents = readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const [, parent] = readFileSync(`/proc/${name}/stat`, "latin1").split(") ")[1]?.split(" ") ?? []
      return [[Number(name), Number(parent)] as const]
    } catch {
      // The process has just exited.
      return []
    }
  })
  const family = new Set([process.pid])
  for (let before = 0; before !== family.size;) {
    before = family.size
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid)
  }
  return family.size - 1
})

const sample = Effect.sync((): Sample => {
  globalThis.gc?.()
  return { memory: process.memoryUsage().rss / MiB, descriptors: readdirSync("/proc/self/fd").length }
})

/** Creates and terminates sandboxes on a server in this process, and fails if anything is left at the end. */
export const run = Effect.fn("bench.soak")(function* (
  options: Options
): Effect.fn.Return<
  Outcome,
  BenchBroken | SandboxError.SandboxError | PlatformError.PlatformError,
  FileSystem.FileSystem | Scope.Scope
> {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "soak-" })
  const cycles = yield* Ref.make(0)
  const samples: Array<Sample> = []

  const soaked = Effect.gen(function* () {
    const [sandboxes, server] = yield* Effect.all([Sandboxes.Sandboxes, E2bServer.E2bServer])
    const cycle = Effect.gen(function* () {
      const sandbox = yield* sandboxes.create({ ttl: "10 minutes" })
      yield* sandbox.files.write("note", "x".repeat(10_000))
      const { stdout } = yield* sandbox.exec({ script: "sleep 1000 >/dev/null 2>&1 & cat note | wc -c" })
      if (stdout.trim() !== "10000") {
        return yield* new BenchBroken({ benchmark: "soak", detail: `a command said "${stdout}"` })
      }
      if ((yield* Ref.updateAndGet(cycles, (count) => count + 1)) % 3 !== 0) return
      yield* sandboxes.pause(sandbox.id)
      yield* sandboxes.resume(sandbox.id, "5 minutes")
    }).pipe(Effect.scoped)
    const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(Duration.minutes(options.minutes))
    const worker = Effect.gen(function* () {
      while ((yield* Clock.currentTimeMillis) < until) yield* cycle
    })
    const watching = yield* Effect.forkChild(
      Effect.gen(function* () {
        for (;;) {
          yield* Effect.sleep("5 seconds")
          samples.push(yield* sample)
          yield* Console.error(`soak: ${yield* Ref.get(cycles)} cycles, ${yield* server.live} alive`)
        }
      })
    )
    yield* Effect.replicateEffect(worker, options.sandboxes, {
      concurrency: options.sandboxes,
      discard: true
    })
    yield* Fiber.interrupt(watching)
    const folders = (yield* fs.readDirectory(directory)).length
    return { alive: yield* server.live, processes: yield* descendants, folders }
  })
  const { alive, folders, processes } = yield* Effect.provide(soaked, LocalSandboxes.layer({ directory }))
  const remains = { processes: yield* descendants, folders: (yield* fs.readDirectory(directory)).length }
  if (alive + remains.processes + remains.folders > 0) {
    return yield* new BenchBroken({
      benchmark: "soak",
      detail: `${alive} sandboxes, ${remains.processes} processes and ${remains.folders} folders are left`
    })
  }
  const third = Math.ceil(samples.length / 3)
  const row = (name: string, unit: Measure["unit"], of: (one: Sample) => number): Measure => ({
    name: `soak: ${name}, last third`,
    unit,
    ours: samples.slice(-third).map(of),
    reference: { name: "second third", samples: samples.slice(third, 2 * third).map(of) },
    aim: { kind: "cost", atMost: 1.1 }
  })
  return {
    measures: [
      row("memory", "MB", ({ memory }) => memory),
      row("file descriptors", "count", ({ descriptors }) => descriptors)
    ],
    notes: [
      `soak: ${yield* Ref.get(cycles)} sandboxes came and went, ${options.sandboxes} at a time, in ${options.minutes} minutes; client and server are this process.`,
      `soak: before the server ended there were ${alive} sandboxes, ${folders} folder of its own and ${processes} processes; afterwards 0 of each.`
    ]
  } satisfies Outcome
}, Effect.scoped)
