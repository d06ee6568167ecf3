import { Schema } from "effect"
import { Flag } from "effect/cli"
import { isolation, optional } from "../shared/flags.ts"
import { seconds } from "../shared/time.ts"

const MiB = 1024 * 1024

const mebibytes = (name: string, least: number, description: string) =>
  optional(
    Flag.Int(name).pipe(
      Flag.withSchema(
        Schema.Int.check(
          Schema.isGreaterThanOrEqualTo(least, { message: `a number of MiB, at least ${least}` })
        )
      ),
      Flag.withDescription(description),
      Flag.withMetavar("mib")
    )
  )

/** How the local server runs. */
export const serverFlags = {
  isolation,
  idle: seconds(
    "idle",
    "Stop after this time without a sandbox and a request (default: never, or 10m in the background)"
  ),
  memory: mebibytes("memory", 64, "Memory of each sandbox in MiB (default: half of this machine's)"),
  disk: mebibytes(
    "disk",
    16,
    "Disk of each sandbox in MiB, where the server is root (default: none; below 1 GiB or 5% of free space, the largest sandbox is terminated)"
  )
}

/** The values of the flags for limits. */
export interface Bounds {
  readonly memory: number | undefined
  readonly disk: number | undefined
}

/** The limits of the server. A limit without a flag keeps its default. */
export const limitsOf = ({ disk, memory }: Bounds) => ({
  ...(memory === undefined ? {} : { memoryBytes: memory * MiB }),
  ...(disk === undefined ? {} : { diskBytes: disk * MiB })
})
