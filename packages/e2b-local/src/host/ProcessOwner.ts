/**
 * Identifies processes of the host beyond their pid.
 *
 * `/proc` is read with `node:fs`: these files have no size, and the `FileSystem` service trusts the size it is told.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as HostProcess from "./HostProcess.ts"

/**
 * The process that owns a folder.
 *
 * **Details**
 *
 * A pid alone is not enough, because the kernel gives it to another process later.
 *
 * @category models
 * @since 0.1.0
 */
export class Owner extends Schema.Class<Owner>("@remote-agent/e2b-local/Owner")({
  pid: Schema.Int,
  /** Start time as an opaque text that can only be compared; null where the host does not tell. */
  startedAt: Schema.NullOr(Schema.String),
  /** The PID namespace. Without it a server in a container would look dead from outside. */
  namespace: Schema.NullOr(Schema.String)
}) {}

const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }

const readText = (path: string): Effect.Effect<Option.Option<string>> =>
  Effect.option(Effect.tryPromise(() => Fs.readFile(path, "utf8")))

/**
 * The start time of a process as an opaque text.
 *
 * **Details**
 *
 * Returns none when the process does not exist, or when only its zombie is left: a zombie holds no resources.
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
    // The program name is in parentheses and may itself contain spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    return fields[0] === "Z" || fields[0] === "X"
      ? Option.none<string>()
      : Option.some(`${Option.getOrElse(boot, () => "").trim()} ${fields[19] ?? ""}`)
  })
})

/** The owner record of this process. */
export const self = Effect.gen(function* () {
  const startedAt = yield* startOf(process.pid)
  const namespace = yield* Effect.option(Effect.tryPromise(() => Fs.readlink("/proc/self/ns/pid")))
  return new Owner({
    pid: process.pid,
    startedAt: Option.getOrNull(startedAt),
    namespace: Option.getOrNull(namespace)
  })
})

/** Whether two owner records describe the same process. */
export const isSame = (one: Owner, other: Owner): boolean =>
  one.pid === other.pid && one.startedAt === other.startedAt && one.namespace === other.namespace

/** Whether a process is certainly dead. Always false for a process of another PID namespace. */
export const isOwnerDead = Effect.fnUntraced(function* (owner: Owner, known?: Owner) {
  const { namespace, pid, startedAt } = owner
  const own = known ?? (yield* self)
  if (namespace !== null && own.namespace !== null && namespace !== own.namespace) return false
  const now = yield* startOf(pid)
  return Option.isNone(now) || (startedAt !== null && startedAt !== now.value)
})

/** Records a process in the folder of its sandbox, so that the next server can kill it if this one is killed. */
export const record = Effect.fnUntraced(function* (folder: string, pid: number) {
  const startedAt = yield* startOf(pid)
  if (Option.isNone(startedAt)) return
  yield* Effect.ignore(
    Effect.tryPromise(() => Fs.appendFile(Path.join(folder, "processes"), `${pid}\t${startedAt.value}\n`))
  )
})
