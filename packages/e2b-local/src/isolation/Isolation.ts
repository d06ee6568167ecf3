/**
 * The forms of isolation and a probe of which of them work on this host.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { BootFailed, E2bServerError, IsolationUnavailable } from "../E2bServerError.ts"
import * as Cgroups from "../host/Cgroups.ts"
import * as HostProcess from "../host/HostProcess.ts"
import * as Bubblewrap from "./namespace/bubblewrap.ts"
import * as Mounts from "./namespace/mounts.ts"
import type { Boot, RuntimeProvider } from "./SandboxRuntime.ts"
import * as Namespaces from "./namespace/unshare.ts"
import * as Pipes from "../host/pipes.ts"
import * as UnisolatedRuntime from "./none/UnisolatedRuntime.ts"
import * as ProcessOwner from "../host/ProcessOwner.ts"

/** A form of isolation. `none` runs plain processes in a folder and isolates nothing. */
export type Kind = "bubblewrap" | "namespaces" | "none"

/** Whether one form works on this host. */
export interface Finding {
  readonly kind: Exclude<Kind, "none">
  readonly works: boolean
  /** Why it does not work, in one line. `works` when it does. */
  readonly detail: string
}

/** The forms of isolation of this host. */
export interface Report {
  /** The form that `auto` takes. None when no form works. */
  readonly best: Option.Option<Exclude<Kind, "none">>
  readonly findings: ReadonlyArray<Finding>
  /** What to install or enable when no form works. */
  readonly hint: string
}

const NOBODY = 65534

const euid = () => process.geteuid?.() ?? -1

/** Whether a uid exists in the user namespace of the server. */
const isMapped = (uid: number): Effect.Effect<boolean> =>
  Effect.tryPromise(() => Fs.readFile("/proc/self/uid_map", "utf8")).pipe(
    Effect.map((map) =>
      map.split("\n").some((line) => {
        const [first = NaN, , count = 0] = line.trim().split(/\s+/).map(Number)
        return uid >= first && uid < first + count
      })
    ),
    Effect.orElseSucceed(() => false)
  )

/** The uids of the users of a sandbox: `root` has the one after that of `user`. */
const ownersFor = Effect.fnUntraced(function* (user: number) {
  const owners: Mounts.Owners = (yield* isMapped(user + 1))
    ? { user, root: Option.some(user + 1) }
    : { user: NOBODY, root: Option.none() }
  return owners
})

/** Unprivileged uids of one sandbox when the server is root, so that limits count per sandbox. */
const sandboxOwners = Effect.fnUntraced(function* ({ directory, files }: Boot) {
  if (euid() !== 0) return Option.none<Mounts.Owners>()
  const user =
    files._tag === "Kept"
      ? (yield* Effect.promise(() => Fs.lstat(Path.join(directory, "home")))).uid
      : yield* Effect.sync(() => Mounts.FIRST_UID + 2 * Crypto.randomInt(0x8000000))
  return Option.some(yield* ownersFor(user))
})

const provider = (kind: Exclude<Kind, "none">): RuntimeProvider => ({
  kind,
  boot: Effect.fnUntraced(
    function* (boot: Boot) {
      const owners = yield* sandboxOwners(boot)
      const items = yield* Mounts.prepare({
        directory: boot.directory,
        files: boot.files,
        owners,
        uid: Option.match(owners, { onNone: () => 1000, onSome: ({ user }) => user }),
        node: process.execPath,
        readOnlyPaths: boot.readOnlyPaths
      })
      const root = Path.join(boot.directory, "root.mount")
      yield* Effect.promise(() => Fs.mkdir(root))
      const booted =
        kind === "namespaces"
          ? yield* Namespaces.boot(boot, items, root, owners)
          : yield* Bubblewrap.boot(boot, items, owners)
      yield* ProcessOwner.record(boot.directory, booted.init)
      return booted.runtime
    },
    Effect.catchTag("CopyFailed", (error) =>
      Effect.fail(
        new E2bServerError({ operation: "boot", reason: new BootFailed({ detail: error.message }) })
      )
    ),
    Effect.catchDefect((defect) =>
      Effect.fail(
        new E2bServerError({ operation: "boot", reason: new BootFailed({ detail: String(defect) }) })
      )
    )
  )
})

const tools: Readonly<Record<Exclude<Kind, "none">, ReadonlyArray<string>>> = {
  bubblewrap: ["bwrap", "setpriv", "nsenter"],
  namespaces: ["unshare", "mount", "umount", "pivot_root", "setpriv", "nsenter"]
}

const missingTools = (names: ReadonlyArray<string>) =>
  Effect.filter(names, (tool) =>
    HostProcess.run({
      command: "sh",
      args: ["-c", 'command -v "$1" >/dev/null', "sh", tool],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" }
    }).pipe(
      Effect.map((output) => output.code !== 0),
      Effect.orElseSucceed(() => true)
    )
  )

/** Boots a sandbox with one form and runs `true` in it. */
const tryOut = (kind: Exclude<Kind, "none">) =>
  Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "e2b-local-probe-"))),
        (path) => Effect.promise(() => Fs.rm(path, { recursive: true, force: true }))
      )
      const runtime = yield* provider(kind).boot({
        directory,
        files: { _tag: "Empty" },
        internet: true,
        pipes: yield* Pipes.make(Path.join(directory, "pipes")),
        cgroup: Cgroups.open,
        limits: { openFiles: 256, fileBytes: 1024 * 1024 },
        readOnlyPaths: [],
        userNamespaces: false
      })
      const running = yield* runtime.start({
        argv: ["true"],
        env: { PATH: runtime.path },
        cwd: "/",
        stdin: false
      })
      const status = yield* running.exited
      yield* running.release
      return status.code === 0
    })
  )

const examine = Effect.fnUntraced(function* (
  kind: Exclude<Kind, "none">,
  required: ReadonlyArray<string> = []
) {
  const no = (detail: string): Finding => ({ kind, works: false, detail })
  if (process.platform !== "linux") return no("only on Linux")
  const missing = yield* missingTools([...tools[kind], ...required])
  if (missing.length > 0) return no(`not installed: ${missing.join(", ")}`)
  return yield* tryOut(kind).pipe(
    Effect.map((worked) => (worked ? { kind, works: true, detail: "works" } : no("a command in it failed"))),
    Effect.timeoutOrElse({
      duration: "30 seconds",
      orElse: () => Effect.succeed(no("no answer in 30 seconds"))
    }),
    Effect.catchTags({
      E2bServerError: (error) =>
        Effect.succeed(
          no(
            error.reason._tag === "BootFailed"
              ? (error.reason.detail.split("\n").at(-1) ?? "")
              : error.message
          )
        ),
      CommandError: (error) => Effect.succeed(no(error.message))
    })
  )
})

const hint =
  process.platform === "linux"
    ? 'Install bubblewrap (apt install bubblewrap), or util-linux and allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0); in a container allow `unshare` (seccomp). Or choose isolation "none" to run plain processes.'
    : 'Isolation needs Linux. Choose isolation "none" to run plain processes in a folder.'

/** Tries every form of isolation once. Never fails: the findings say what does not work. */
export const probe: Effect.Effect<Report> = Effect.gen(function* () {
  const findings = yield* Effect.forEach(["bubblewrap", "namespaces"] as const, (kind) => examine(kind), {
    concurrency: 2
  })
  const best = Option.fromNullishOr(findings.find((finding) => finding.works)?.kind)
  return { best, findings, hint }
})

const unavailable = (findings: ReadonlyArray<Finding>) =>
  new E2bServerError({
    operation: "probe",
    reason: new IsolationUnavailable({
      detail: findings.map((finding) => `${finding.kind}: ${finding.detail}`).join("; "),
      hint
    })
  })

/**
 * Selects a provider.
 *
 * **Details**
 *
 * `auto` takes bubblewrap, otherwise namespaces, otherwise fails with `IsolationUnavailable`. It never takes `none`. The
 * programs in `required` must be installed in addition to those that the form itself needs.
 */
export const select = Effect.fnUntraced(function* (
  wanted: "auto" | Kind,
  required: ReadonlyArray<string> = []
) {
  if (wanted === "none") return UnisolatedRuntime.provider
  const findings: Array<Finding> = []
  for (const kind of wanted === "auto" ? (["bubblewrap", "namespaces"] as const) : [wanted]) {
    const finding = yield* examine(kind, required)
    if (finding.works) return provider(kind)
    findings.push(finding)
  }
  return yield* unavailable(findings)
})
