import { DateTime, Effect, FileSystem, Path, Schema } from "effect"
import * as Os from "node:os"

/** A benchmark that failed, so its figures are meaningless. */
export class BenchBroken extends Schema.TaggedError<BenchBroken>()("BenchBroken", {
  benchmark: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `The benchmark ${this.benchmark} is broken: ${this.detail}`
  }
}

/** Both sides of one measure. The table shows the medians of the samples. */
export interface Measure {
  readonly name: string
  readonly unit: "ms" | "MB" | "1/s" | "us" | "requests" | "count"
  readonly ours: ReadonlyArray<number>
  /** The reference for the ratio; absent for a figure without a reference. */
  readonly reference?: { readonly name: string; readonly samples: ReadonlyArray<number> } | undefined
  /** The target for the ratio. A missed target is marked in the table and does not fail the run. */
  readonly aim?: Aim | undefined
}

/**
 * `efficiency` is the reference over ours, where more is better; `cost` is ours over the reference; `figure` is ours in its
 * own unit, for targets that are not ratios.
 */
type Aim =
  | { readonly kind: "cost"; readonly atMost: number }
  | { readonly kind: "figure"; readonly atMost: number }
  | { readonly kind: "efficiency"; readonly atLeast: number }

/** The result of one benchmark. */
export interface Outcome {
  readonly measures: ReadonlyArray<Measure>
  /** Remarks about the measurement, one line each. */
  readonly notes: ReadonlyArray<string>
}

/** The quantile of the samples, for a fraction from 0 to 1. */
export const percentile = (samples: ReadonlyArray<number>, part: number): number => {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * part) - 1))] ?? Number.NaN
}

/** The median. */
const median = (samples: ReadonlyArray<number>): number => {
  const sorted = samples.toSorted((a, b) => a - b)
  const half = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

/** The ratio of the medians, in the direction of the target. */
const ratioOf = ({ aim, ours, reference }: Measure): number | undefined => {
  if (reference === undefined) return undefined
  const [mine, theirs] = [median(ours), median(reference.samples)]
  return aim?.kind === "efficiency" ? theirs / mine : mine / theirs
}

const verdict = (measure: Measure): string => {
  const { aim, ours } = measure
  const value = aim?.kind === "figure" ? median(ours) : ratioOf(measure)
  if (value === undefined || aim === undefined) return ""
  if (aim.kind === "efficiency") return value >= aim.atLeast ? "ok" : "under"
  return value <= aim.atMost ? "ok" : "over"
}

const figure = (value: number, unit: Measure["unit"]): string =>
  `${value.toFixed(value < 10 ? 2 : value < 1000 ? 1 : 0)} ${unit}`

const aimText = (aim: Aim | undefined, unit: Measure["unit"]): string => {
  if (aim === undefined) return ""
  if (aim.kind === "figure") return `<= ${figure(aim.atMost, unit)}`
  return aim.kind === "cost" ? `<= ${aim.atMost.toFixed(2)}` : `>= ${aim.atLeast.toFixed(2)}`
}

const heads = ["measure", "ours", "reference", "ratio", "aim", ""]

const row = (measure: Measure): ReadonlyArray<string> => {
  const { aim, name, ours, reference, unit } = measure
  const ratio = ratioOf(measure)
  return [
    name,
    figure(median(ours), unit),
    reference === undefined ? "" : `${figure(median(reference.samples), unit)} ${reference.name}`,
    ratio?.toFixed(3) ?? "",
    aimText(aim, unit),
    verdict(measure)
  ]
}

/** The measures that miss their target, in one line each. */
export const missed = (measures: ReadonlyArray<Measure>): ReadonlyArray<string> =>
  measures.flatMap((measure) => {
    const missedBy = verdict(measure)
    if (missedBy === "" || missedBy === "ok") return []
    const [name, ours, , ratio, aim] = row(measure)
    return [`${missedBy}: ${name}: ${measure.aim?.kind === "figure" ? ours : ratio}, aim ${aim}`]
  })

/** The measures as one table with aligned columns. */
export const table = (measures: ReadonlyArray<Measure>): string => {
  const rows = [heads, ...measures.map(row)]
  const widths = heads.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)))
  const numeric = new Set([1, 3, 4])
  return rows
    .map((cells) =>
      cells
        .map((cell, column) => {
          const width = widths[column] ?? 0
          return numeric.has(column) ? cell.padStart(width) : cell.padEnd(width)
        })
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

/** The machine and the versions. */
export interface Versions {
  readonly node: string
  readonly [name: string]: string
}

const machine = Effect.sync(() => {
  const cpus = Os.cpus()
  return {
    platform: `${Os.platform()} ${Os.release()} ${Os.arch()}`,
    cpu: cpus[0]?.model ?? "unknown",
    cpus: cpus.length,
    memoryBytes: Os.totalmem(),
    loadAverage: Os.loadavg()
  }
})

/** A remark if other processes use the processors. Call it before the first measurement. */
export const busy: Effect.Effect<ReadonlyArray<string>> = Effect.sync(() => {
  const [[load = 0], cpus] = [Os.loadavg(), Os.cpus().length]
  return load <= cpus / 2
    ? []
    : [
        `The machine was busy before the run (load ${load.toFixed(1)}, ${cpus} CPUs): ratios of times are rough, of counts exact.`
      ]
})

/** Writes all results, including raw samples, and returns the path of the file. */
export const write = Effect.fn("Report.write")(function* (
  folder: string,
  outcome: Outcome,
  versions: Versions
) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  const file = path.join(folder, "latest.json")
  const document = {
    date: DateTime.formatIso(yield* DateTime.now),
    machine: yield* machine,
    versions,
    notes: outcome.notes,
    measures: outcome.measures.map((measure) => {
      const ratio = ratioOf(measure)
      const { reference } = measure
      return {
        ...measure,
        median: median(measure.ours),
        ...(reference === undefined ? {} : { referenceMedian: median(reference.samples) }),
        ...(ratio === undefined ? {} : { ratio }),
        ...(measure.aim === undefined ? {} : { verdict: verdict(measure) })
      }
    })
  }
  yield* fs.makeDirectory(folder, { recursive: true })
  yield* fs.writeFileString(file, `${JSON.stringify(document, undefined, 2)}\n`)
  return file
})
