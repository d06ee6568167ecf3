/**
 * Finds out which servers are dead and removes what they left: processes and folders.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Cgroups from "../host/Cgroups.ts"
import * as DiskQuota from "../host/DiskQuota.ts"
import * as HostProcess from "../host/HostProcess.ts"

/** Who owns a folder. A pid alone is not enough: it is given to another process some day. */
export class Owner extends Schema.Class<Owner>("@remote-agent/e2b-local/Owner")({
  pid: Schema.Int,
  /** Of the process, in a form that only compares; null where the host does not tell. */
  startedAt: Schema.NullOr(Schema.String),
  /** The PID namespace, so that a server in a container is not taken for dead from outside of it. */
  namespace: Schema.NullOr(Schema.String)
}) {}

const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }

const readText = (path: string): Effect.Effect<Option.Option<string>> =>
  Effect.option(Effect.tryPromise(() => Fs.readFile(path, "utf8")))

/**
 * When a process started, as a text that only compares; none when there is no such process, or only its zombie, which
 * holds nothing any more.
 */
export const startOf = Effect.fnUntraced(function* (pid: number) {
  if (process.platform !== "linux") {
    const output = yield* Effect.option(
      HostProcess.run({ command: "ps", args: ["-o", "lstart=", "-p", `${pid}`], env })
    )
    return Option.flatMap(output, ({ stdout }) => {
      const text = stdout.toString().trim()
      return text === "" ? Option.none<string>() : Option.some(text)
    })
  }
  const stat = yield* readText(`/proc/${pid}/stat`)
  const boot = yield* readText("/proc/sys/kernel/random/boot_id")
  return Option.flatMap(stat, (text) => {
    // The name of a program, in parentheses, may itself hold spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    return fields[0] === "Z" || fields[0] === "X"
      ? Option.none<string>()
      : Option.some(`${Option.getOrElse(boot, () => "").trim()} ${fields[19] ?? ""}`)
  })
})

/** This process. */
export const self = Effect.gen(function* () {
  const startedAt = yield* startOf(process.pid)
  const namespace = yield* Effect.option(Effect.tryPromise(() => Fs.readlink("/proc/self/ns/pid")))
  return new Owner({
    pid: process.pid,
    startedAt: Option.getOrNull(startedAt),
    namespace: Option.getOrNull(namespace)
  })
})

/** Whether two are the same process. */
export const isSame = (one: Owner, other: Owner): boolean =>
  one.pid === other.pid && one.startedAt === other.startedAt && one.namespace === other.namespace

/** Whether a process is certainly dead; one of another PID namespace never is. */
export const isOwnerDead = Effect.fnUntraced(function* (owner: Owner, known?: Owner) {
  const { namespace, pid, startedAt } = owner
  const own = known ?? (yield* self)
  if (namespace !== null && own.namespace !== null && namespace !== own.namespace) return false
  const now = yield* startOf(pid)
  return Option.isNone(now) || (startedAt !== null && startedAt !== now.value)
})

const decodeOwner = Schema.decodeEffect(Schema.fromJsonString(Owner))

/** Whether the owner of a folder is certainly dead. */
const isDead = Effect.fnUntraced(function* (path: string, own: Owner) {
  const text = yield* readText(Path.join(path, "owner.json"))
  const owner = yield* Option.match(text, {
    onNone: () => Effect.succeedNone,
    onSome: (json) => Effect.option(decodeOwner(json))
  })
  if (Option.isNone(owner)) {
    // Made a moment ago, or half removed: the name says by whom.
    const pid = Number.parseInt(Path.basename(path), 10)
    return Number.isInteger(pid) && Option.isNone(yield* startOf(pid))
  }
  return yield* isOwnerDead(owner.value, own)
})

const exists = (path: string) =>
  Effect.map(Effect.option(Effect.tryPromise(() => Fs.lstat(path))), Option.isSome)

/** Removes a folder whatever is in it; says so in the log when it could not. */
export const removeTree = Effect.fnUntraced(function* (path: string) {
  const rm = Effect.ignore(HostProcess.run({ command: "rm", args: ["-rf", "--", path], env }))
  yield* rm
  if (!(yield* exists(path))) return
  // Folders that their owner has closed to himself.
  yield* Effect.ignore(HostProcess.run({ command: "chmod", args: ["-R", "u+rwx", "--", path], env }))
  yield* rm
  if (yield* exists(path)) yield* Effect.logWarning(`The folder ${path} could not be removed`)
})

/** Notes a process in the folder of its sandbox, for whoever sweeps it when the server died without a chance. */
export const record = Effect.fnUntraced(function* (folder: string, pid: number) {
  const startedAt = yield* startOf(pid)
  if (Option.isNone(startedAt)) return
  yield* Effect.ignore(
    Effect.tryPromise(() => Fs.appendFile(Path.join(folder, "processes"), `${pid}\t${startedAt.value}\n`))
  )
})

const kill = (pid: number) =>
  Effect.sync(() => {
    for (const target of [-pid, pid]) {
      try {
        process.kill(target, "SIGKILL")
      } catch {
        // No such group, or it has ended by itself.
      }
    }
  })

/** Kills what still runs of the recorded processes of a sandbox. */
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

/** Removes the folders of dead servers in `directory`, and kills what still runs of them. Never those of a living one. */
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
