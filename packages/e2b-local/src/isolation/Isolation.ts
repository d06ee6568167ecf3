/**
 * The forms of isolation, and which of them work on this host.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Bubblewrap from "./namespace/bubblewrap.ts"
import * as Cgroups from "../host/Cgroups.ts"
import { BootFailed, E2bServerError, IsolationUnavailable } from "../E2bServerError.ts"
import * as HostProcess from "../host/HostProcess.ts"
import * as Layout from "./namespace/mounts.ts"
import type { Boot, RuntimeProvider } from "./SandboxRuntime.ts"
import * as Namespaces from "./namespace/unshare.ts"
import * as Pipes from "../host/pipes.ts"
import * as UnisolatedRuntime from "./none/UnisolatedRuntime.ts"
import * as OrphanCleanup from "../sandboxes/OrphanCleanup.ts"

/** A form of isolation; `none` is plain processes in a folder and isolates nothing. */
export type Kind = "bubblewrap" | "namespaces" | "none"

/** Whether one form works here. */
export interface Finding {
  readonly kind: Exclude<Kind, "none">
  readonly works: boolean
  /** Why it does not work, in one line; what it is when it does. */
  readonly detail: string
}

/** What this host can do. */
export interface Report {
  /** The form that `auto` takes; none when nothing isolates here. */
  readonly best: Option.Option<Exclude<Kind, "none">>
  readonly findings: ReadonlyArray<Finding>
  /** What to install or switch on when nothing works. */
  readonly hint: string
}

const FIRST_UID = 0x40000000
const NOBODY = 65534

const euid = () => process.geteuid?.() ?? -1

/** Whether a uid exists in the user namespace that the server runs in. */
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

/** An unprivileged uid for one sandbox of a real root, so that limits count per sandbox. */
const sandboxUid = Effect.gen(function* () {
  if (euid() !== 0) return Option.none<number>()
  const uid = yield* Effect.sync(() => FIRST_UID + Crypto.randomInt(0x10000000))
  return Option.some((yield* isMapped(uid)) ? uid : NOBODY)
})

const provider = (kind: Exclude<Kind, "none">): RuntimeProvider => ({
  kind,
  boot: Effect.fnUntraced(
    function* (boot: Boot) {
      const owner = yield* sandboxUid
      const items = yield* Layout.prepare({
        directory: boot.directory,
        seed: boot.seed,
        owner,
        uid: Option.getOrElse(owner, () => 1000),
        node: process.execPath,
        readOnlyPaths: boot.readOnlyPaths
      })
      const root = Path.join(boot.directory, "root")
      yield* Effect.promise(() => Fs.mkdir(root))
      const booted =
        kind === "namespaces"
          ? yield* Namespaces.boot(boot, items, root, owner)
          : yield* Bubblewrap.boot(boot, items, owner)
      yield* OrphanCleanup.record(boot.directory, booted.init)
      return booted.machine
    },
    Effect.catchTag("FileError", (error) =>
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

/** Boots a sandbox of that form and runs `true` in it. */
const tryOut = (kind: Exclude<Kind, "none">) =>
  Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "e2b-local-probe-"))),
        (path) => Effect.promise(() => Fs.rm(path, { recursive: true, force: true }))
      )
      const machine = yield* provider(kind).boot({
        directory,
        seed: Option.none(),
        internet: true,
        pipes: yield* Pipes.make(Path.join(directory, "pipes")),
        cage: Cgroups.open,
        limits: { openFiles: 256, fileBytes: 1024 * 1024 },
        readOnlyPaths: []
      })
      const running = yield* machine.start({
        argv: ["true"],
        env: { PATH: machine.path },
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
      RpcError: (error) => Effect.succeed(no(error.message))
    })
  )
})

const hint =
  process.platform === "linux"
    ? 'Install bubblewrap (apt install bubblewrap), or util-linux and allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0); in a container allow `unshare` (seccomp). Or say isolation "none" to run plain processes.'
    : 'Isolation needs Linux. Say isolation "none" to run plain processes in a folder.'

/** Tries every form of isolation once. Never fails: what does not work is in the findings. */
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
 * The provider for what was asked. `auto` takes bubblewrap, else namespaces, else fails with
 * `IsolationUnavailable`; it never takes `none`. Programs in `required` must be there beside those it needs itself.
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
