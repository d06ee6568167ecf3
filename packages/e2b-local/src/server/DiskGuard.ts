/**
 * Keeps space free on the disk that the sandboxes share with the state and everything else of the host.
 *
 * Where sandboxes have disks of a fixed size there is nothing to guard.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schedule } from "effect"
import * as Fs from "node:fs/promises"
import * as Confined from "../host/confined.ts"
import type { SandboxRegistry } from "../sandboxes/SandboxRegistry.ts"

const MiB = 1024 * 1024

/** How much stays free by default: the twentieth part of the disk, and a gibibyte at most. */
export const defaultReserve = (total: number): number => Math.min(1024 * MiB, Math.floor(total / 20))

/** Free bytes of the disk at a folder, and all of them. None where the host does not report them. */
const spaceOf = (folder: string) =>
  Effect.option(
    Effect.tryPromise(async () => {
      const { bavail, blocks, bsize } = await Fs.statfs(folder)
      return { free: bavail * bsize, total: blocks * bsize }
    })
  )

/** Bytes that the files in a folder take. Sizes are read and nothing is opened, so links lead nowhere. */
const usedBy = Effect.fnUntraced(function* (folder: string) {
  const output = yield* Effect.option(
    Confined.run({
      script: "du -skx /tree",
      args: [],
      folders: [{ source: folder, target: "/tree", writable: false }]
    })
  )
  return Number.parseInt(Option.getOrUndefined(output)?.stdout.toString() ?? "", 10) * 1024 || 0
})

/** A sandbox, as far as the guard looks at it. */
interface Measured {
  readonly id: string
  readonly used: number
}

/** The sandbox to terminate: the one that uses the most. None when none of them explains the lack of space. */
export const largest = (sandboxes: ReadonlyArray<Measured>, reserve: number): Option.Option<Measured> => {
  const [first] = sandboxes.toSorted((a, b) => b.used - a.used)
  return Option.filter(Option.fromNullishOr(first), ({ used }) => used > reserve / 16)
}

/**
 * Terminates the sandbox with the most files whenever less than the reserve is free, until it is interrupted.
 *
 * **Details**
 *
 * A sandbox that uses little is not terminated: then something else has filled the disk.
 */
export const guard = Effect.fnUntraced(function* (
  registry: Pick<SandboxRegistry["Service"], "list" | "kill">,
  folder: string,
  reserve: number | undefined
) {
  const look = Effect.gen(function* () {
    const sandboxes = yield* registry.list
    if (sandboxes.length === 0) return
    const space = yield* spaceOf(folder)
    if (Option.isNone(space)) return
    const wanted = reserve ?? defaultReserve(space.value.total)
    if (space.value.free >= wanted) return
    const measured = yield* Effect.forEach(
      sandboxes,
      ({ directory, id }) => Effect.map(usedBy(directory), (used) => ({ id, used })),
      { concurrency: 2 }
    )
    const found = largest(measured, wanted)
    if (Option.isNone(found)) return
    yield* Effect.logError(
      `The disk has less than ${Math.round(wanted / MiB)} MiB left. The sandbox with the most files is terminated: ${found.value.id}`
    )
    yield* Effect.ignore(registry.kill(found.value.id))
  })
  return yield* Effect.repeat(look, Schedule.spaced("1 second"))
})
