/**
 * Metrics of one sandbox. A sample is taken on each request for them, so that an unobserved sandbox costs nothing.
 *
 * @since 0.1.0
 */
import { Clock, DateTime, Effect, Option } from "effect"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import type { ResourceUsage } from "../host/ResourceUsage.ts"

/** One sample in the form of the API. Memory and disk are in bytes, and their totals are those of the host. */
export interface Metric {
  readonly timestamp: string
  readonly timestampUnix: number
  readonly cpuCount: number
  /** Since the previous sample or the start. 100 means all processors of the host. */
  readonly cpuUsedPct: number
  readonly memUsed: number
  readonly memTotal: number
  /** The host does not report it per sandbox. */
  readonly memCache: 0
  readonly diskUsed: number
  readonly diskTotal: number
}

/** Samples of one sandbox. */
export interface SandboxMetrics {
  /** Takes a sample, unless the last one is less than a second old or the host reports no usage. */
  readonly sample: Effect.Effect<void>
  /** The samples between two times in seconds, oldest first. */
  readonly between: (start: number, end: number) => ReadonlyArray<Metric>
}

const KEPT = 1000

const diskOf = (directory: string) =>
  Effect.tryPromise(() => Fs.statfs(directory)).pipe(
    Effect.map(({ bfree, blocks, bsize }) => ({ used: (blocks - bfree) * bsize, total: blocks * bsize })),
    Effect.orElseSucceed(() => ({ used: 0, total: 0 }))
  )

/** The share of all processors between two moments. The time of a process that was not waited for is lost. */
const cpuPercent = (seconds: number, millis: number, count: number): number =>
  millis <= 0 ? 0 : Math.max(0, Math.round((seconds * 100_000 * 100) / millis / count) / 100)

/** Metrics of a sandbox that starts now and has its files in `directory`. */
export const make = Effect.fnUntraced(function* (
  usage: Effect.Effect<Option.Option<ResourceUsage>>,
  directory: string
) {
  const samples: Array<Metric> = []
  let last = { at: yield* Clock.currentTimeMillis, cpuSeconds: 0 }
  const cpuCount = Os.availableParallelism()
  const sample = Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    if (samples.length > 0 && before - last.at < 1000) return
    const [found, disk] = yield* Effect.all([usage, diskOf(directory)], { concurrency: 2 })
    if (Option.isNone(found)) return
    const at = yield* Clock.currentTimeMillis
    const { cpuSeconds, memoryBytes } = found.value
    samples.push({
      timestamp: DateTime.formatIso(DateTime.makeUnsafe(at)),
      timestampUnix: Math.floor(at / 1000),
      cpuCount,
      cpuUsedPct: cpuPercent(cpuSeconds - last.cpuSeconds, at - last.at, cpuCount),
      memUsed: memoryBytes,
      memTotal: Os.totalmem(),
      memCache: 0,
      diskUsed: disk.used,
      diskTotal: disk.total
    })
    if (samples.length > KEPT) samples.shift()
    last = { at, cpuSeconds }
  })
  return {
    sample,
    between: (start, end) =>
      samples.filter(({ timestampUnix }) => timestampUnix >= start && timestampUnix <= end)
  } satisfies SandboxMetrics
})
