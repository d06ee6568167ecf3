/**
 * Removes what dead servers left behind: processes, control groups, mounts and folders.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Cgroups from "../host/Cgroups.ts"
import * as DiskQuota from "../host/DiskQuota.ts"
import { isOwnerDead, Owner, self, startOf } from "../host/ProcessOwner.ts"
import { removeTree } from "../host/removeTree.ts"

const readText = (path: string): Effect.Effect<Option.Option<string>> =>
  Effect.option(Effect.tryPromise(() => Fs.readFile(path, "utf8")))

const decodeOwner = Schema.decodeEffect(Schema.fromJsonString(Owner))

/** Whether the owner of a folder is certainly dead. */
const isDead = Effect.fnUntraced(function* (path: string, own: Owner) {
  const text = yield* readText(Path.join(path, "owner.json"))
  const owner = yield* Option.match(text, {
    onNone: () => Effect.succeedNone,
    onSome: (json) => Effect.option(decodeOwner(json))
  })
  if (Option.isNone(owner)) {
    // The folder was made a moment ago or is half removed. Its name contains the pid.
    const pid = Number.parseInt(Path.basename(path), 10)
    return Number.isInteger(pid) && Option.isNone(yield* startOf(pid))
  }
  return yield* isOwnerDead(owner.value, own)
})

const kill = (pid: number) =>
  Effect.sync(() => {
    for (const target of [-pid, pid]) {
      try {
        process.kill(target, "SIGKILL")
      } catch {
        // The group does not exist, or it has ended by itself.
      }
    }
  })

/** Kills the recorded processes of a sandbox that still run. */
const killRecorded = Effect.fnUntraced(function* (folder: string) {
  const text = Option.getOrElse(yield* readText(Path.join(folder, "processes")), () => "")
  yield* Effect.forEach(
    text.split("\n"),
    Effect.fnUntraced(function* (line) {
      const [number = "", startedAt] = line.split("\t")
      const pid = Number.parseInt(number, 10)
      if (!(pid > 1)) return
      if (Option.contains(yield* startOf(pid), startedAt)) yield* kill(pid)
    }),
    { discard: true }
  )
})

const listFolder = (path: string) =>
  Effect.tryPromise(() => Fs.readdir(path)).pipe(Effect.orElseSucceed((): Array<string> => []))

/** Removes the folders of dead servers in `directory` and kills their remaining processes. Skips servers that run. */
export const sweep = Effect.fn("OrphanCleanup.sweep")(function* (directory: string) {
  const own = yield* self
  const names = yield* listFolder(directory)
  yield* Effect.forEach(
    names.filter((name) => /^\d+-[0-9a-f]+$/.test(name)),
    Effect.fnUntraced(function* (name) {
      const path = Path.join(directory, name)
      if (!(yield* isDead(path, own))) return
      const sandboxes = yield* listFolder(path)
      yield* Effect.forEach(sandboxes, (id) => killRecorded(Path.join(path, id)), { discard: true })
      yield* Cgroups.sweep(path)
      yield* DiskQuota.sweep(path)
      yield* removeTree(path)
    }),
    { concurrency: 4, discard: true }
  )
})
