/**
 * Disks of a fixed size for sandboxes: a file system in a sparse file, mounted at the folder of the sandbox.
 *
 * Only root can mount. Elsewhere a sandbox can fill the disk of the host, and {@link DiskQuota.enforced} says so.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import type { Scope } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { BootFailed, E2bServerError } from "../E2bServerError.ts"
import * as HostProcess from "./HostProcess.ts"

/** The disks of a server. */
export interface DiskQuota {
  readonly enforced: boolean
  /** Mounts a disk at a folder for the duration of the scope. Does nothing when disks are not enforced. */
  readonly attach: (id: string, folder: string) => Effect.Effect<void, E2bServerError, Scope.Scope>
}

const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }

const failed = (detail: string) =>
  new E2bServerError({ operation: "boot", reason: new BootFailed({ detail }) })

const run = (command: string, args: ReadonlyArray<string>) =>
  HostProcess.run({ command, args, env }).pipe(
    Effect.mapError((error) => failed(error.message)),
    Effect.filterOrFail(
      ({ code }) => code === 0,
      ({ stderr }) => failed(`${command}: ${stderr.trim().split("\n").at(-1)}`)
    )
  )

const attempt = <A>(promise: () => Promise<A>) =>
  Effect.tryPromise({ try: promise, catch: (cause) => failed(String(cause)) })

const unmount = (folder: string) =>
  Effect.catch(run("umount", ["--", folder]), () => run("umount", ["-l", "--", folder])).pipe(
    Effect.catch((error) => Effect.logWarning(`The disk at ${folder} could not be unmounted`, error))
  )

const attachIn = (images: string, bytes: number) =>
  Effect.fnUntraced(function* (id: string, folder: string) {
    const image = Path.join(images, `${id}.img`)
    yield* Effect.acquireRelease(
      attempt(async () => {
        await Fs.mkdir(images, { recursive: true, mode: 0o700 })
        const file = await Fs.open(image, "wx", 0o600)
        await file.truncate(bytes)
        await file.close()
      }),
      () => Effect.promise(() => Fs.rm(image, { force: true }))
    )
    yield* run("mkfs.ext4", [
      "-q",
      "-F",
      "-m",
      "0",
      "-O",
      "^has_journal",
      "-E",
      "lazy_itable_init=1,nodiscard",
      image
    ])
    yield* Effect.acquireRelease(run("mount", ["-o", "loop,nosuid,nodev", "--", image, folder]), () =>
      unmount(folder)
    )
  })

const none: DiskQuota = { enforced: false, attach: () => Effect.void }

/** Disks of `bytes` each, including the file system's own data. `folder` is the folder of the server. */
export const make = Effect.fn("DiskQuota.make")(function* (
  folder: string,
  bytes: number | undefined
): Effect.fn.Return<DiskQuota> {
  if (bytes === undefined || process.platform !== "linux" || process.geteuid?.() !== 0) return none
  const attach = attachIn(Path.join(folder, "images"), bytes)
  const probe = Path.join(folder, "probe")
  const works = yield* Effect.scoped(
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        attempt(() => Fs.mkdir(probe)),
        () => Effect.promise(() => Fs.rm(probe, { recursive: true, force: true }))
      )
      yield* attach("probe", probe)
    })
  ).pipe(Effect.isSuccess)
  return works ? { enforced: true, attach } : none
})

/** Unmounts the disks that a dead server left in its folder. */
export const sweep = Effect.fnUntraced(function* (folder: string) {
  if (process.platform !== "linux") return
  const mounts = yield* Effect.promise(() => Fs.readFile("/proc/self/mounts", "utf8").catch(() => ""))
  const below = mounts.split("\n").flatMap((line) => {
    const [, at = ""] = line.split(" ")
    return at.startsWith(`${folder}/`) ? [at] : []
  })
  yield* Effect.forEach(below, unmount, { discard: true })
})
