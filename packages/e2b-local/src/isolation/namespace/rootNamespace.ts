/**
 * The user namespace in which `root` of a sandbox is root.
 *
 * Only processes of `root` enter it. Every other namespace of the sandbox belongs to the host, so that its capabilities
 * count for nothing but the files and processes of the two users of the sandbox.
 *
 * @since 0.1.0
 */
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as HostProcess from "../../host/HostProcess.ts"

// Waits for the id maps, then forbids further user namespaces. Without them no other namespace can be made either,
// because root has no CAP_SYS_ADMIN.
const script = `
echo ready >&4
read -r go <&3 || exit 1
echo 0 > /proc/sys/user/max_user_namespaces || exit 1
echo done >&4
exec cat <&3 >/dev/null`

const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }

const failed = (detail: string) => new HostProcess.HostProcessError({ command: "unshare", detail })

/** The capabilities that `root` keeps inside of the namespace. */
export const capabilities = [
  0 /* chown */, 1 /* dac_override */, 3 /* fowner */, 4 /* fsetid */, 5 /* kill */, 6 /* setgid */,
  7 /* setuid */
]

/**
 * Makes the namespace for the duration of the scope. `root` becomes uid 0 in it, and `user` keeps its uid. Succeeds with
 * a path of the namespace.
 */
export const make = Effect.fnUntraced(function* (root: number, user: number) {
  const reference = yield* Effect.acquireRelease(
    Effect.scoped(
      Effect.gen(function* () {
        const holder = yield* HostProcess.scoped({
          command: "unshare",
          args: ["--user", "--keep-caps", "sh", "-c", script],
          env,
          control: true
        })
        const { input, status } = holder
        if (input === undefined || status === undefined)
          return yield* failed("started without its control pipes")
        const ready = yield* HostProcess.line(status)
        if (ready !== "ready") return yield* failed("no user namespace can be made")
        yield* Effect.try({
          try: () => {
            const map = `0 ${root} 1\n${user} ${user} 1\n`
            Fs.writeFileSync(`/proc/${holder.pid}/uid_map`, map)
            Fs.writeFileSync(`/proc/${holder.pid}/gid_map`, map)
          },
          catch: (cause) => failed(String(cause))
        })
        yield* HostProcess.write(input, "go\n")
        const done = yield* HostProcess.line(status)
        if (done !== "done") return yield* failed("further namespaces in it cannot be forbidden")
        return yield* Effect.try({
          try: () => Fs.openSync(`/proc/${holder.pid}/ns/user`, "r"),
          catch: (cause) => failed(String(cause))
        })
      })
    ),
    (descriptor) => Effect.sync(() => Fs.closeSync(descriptor))
  )
  return `/proc/${process.pid}/fd/${reference}`
})
