import { Effect, FileSystem, Option } from "effect"
import { statfs } from "node:fs/promises"
import { tmpdir } from "node:os"
import { CommandHost } from "../../../../process/CommandHost.ts"
import { check, type Checks } from "../Check.ts"

/** Less free space than this is a failure, in bytes. */
const enough = 512 * 1024 * 1024

/** The folder itself, or the nearest folder above it that exists. */
const existing = Effect.fnUntraced(function* (
  folder: string
): Effect.fn.Return<string, never, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const exists = yield* Effect.orElseSucceed(fs.exists(folder), () => false)
  const above = folder.replace(/\/[^/]*$/, "") || "/"
  return exists || above === folder ? folder : yield* existing(above)
})

const freeSpace = Effect.fnUntraced(function* (name: string, folder: string) {
  const place = yield* existing(folder)
  // FileSystem has no call for the free space.
  const found = yield* Effect.option(Effect.tryPromise(() => statfs(place)))
  if (Option.isNone(found)) return check(name, "warning", `The free space at ${place} is unknown.`)
  const free = found.value.bavail * found.value.bsize
  const detail = `${Math.floor(free / 1024 / 1024)} MiB are free at ${place}.`
  return free < enough
    ? check(name, "failed", detail, "Delete what is not needed there.")
    : check(name, "ok", detail)
})

/** The data folder and the temporary folder have free space. */
export const disk: Checks = {
  name: "disk",
  run: () =>
    Effect.gen(function* () {
      const { dataFolder, env } = yield* CommandHost
      return yield* Effect.all([
        freeSpace("disk (data)", dataFolder),
        freeSpace("disk (temporary)", env["TMPDIR"] ?? tmpdir())
      ])
    })
}
