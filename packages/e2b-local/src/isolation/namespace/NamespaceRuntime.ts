/**
 * A sandbox behind namespaces: PID 1 of it has been booted, everything else enters beside it.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import * as Fs from "node:fs/promises"
import { RpcError } from "../../envd/ConnectProtocol.ts"
import { BootFailed, E2bServerError } from "../../E2bServerError.ts"
import * as GuestFiles from "./files.ts"
import * as HostProcess from "../../host/HostProcess.ts"
import * as Layout from "./mounts.ts"
import type { Boot, Command, SandboxRuntime, Running } from "../SandboxRuntime.ts"
import * as Shell from "../shell.ts"
import * as Tcp from "../../host/tcp.ts"
import * as ResourceUsage from "../../host/ResourceUsage.ts"

/** The environment of what runs before a command has its own. */
const outerEnv = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }

const noPrivileges = ["--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs"]

/** Arguments of `setpriv` that leave a command nothing; a change of user and bounds needs a real root. */
const dropPrivileges = (uid: Option.Option<number>): ReadonlyArray<string> => [
  ...Option.match(uid, {
    onNone: () => [],
    onSome: (id) => ["--reuid", `${id}`, "--regid", `${id}`, "--clear-groups", "--bounding-set=-all"]
  }),
  ...noPrivileges
]

/**
 * What PID 1 does: it says that it is there and lives as long as the pipe from the server does. A `cat` that a
 * command of the sandbox killed is replaced.
 */
const initScript =
  'exec 3<&0; echo READY; while :; do cat <&3 >/dev/null; code=$?; [ "$code" -gt 128 ] || exit 0; done'

/**
 * The command that becomes PID 1 in the end. With a real root it stays uid 0, without any capability: the sandbox
 * cannot signal it, and the kernel lets a parent without capabilities deliver the death signal to it.
 */
const initCommand = (uid: Option.Option<number>): ReadonlyArray<string> => [
  "setpriv",
  "--pdeathsig",
  "KILL",
  ...(Option.isSome(uid) ? ["--bounding-set=-all"] : []),
  ...noPrivileges,
  "env",
  "-i",
  `PATH=${outerEnv.PATH}`,
  "sh",
  "-c",
  initScript
]

/** Pids of the children of a process of the host. */
const childrenOf = (pid: number): Effect.Effect<ReadonlyArray<number>> =>
  Effect.tryPromise(() => Fs.readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).pipe(
    Effect.map((text) =>
      text
        .split(" ")
        .filter((word) => word !== "")
        .map(Number)
    ),
    Effect.orElseSucceed(() => [])
  )

const bootFailed = (detail: string) =>
  new E2bServerError({ operation: "boot", reason: new BootFailed({ detail }) })

/** Waits for the word of PID 1 and gives its pid as the host knows it. */
const awaitReady = Effect.fnUntraced(function* (outer: HostProcess.HostProcess) {
  const said = yield* HostProcess.firstLine(outer.stdout)
  if (said !== "READY") {
    const stderr = yield* HostProcess.collect(outer.stderr, 64 * 1024).pipe(
      Effect.orElseSucceed(() => Buffer.alloc(0))
    )
    return yield* bootFailed(stderr.toString().trim() || "its first process ended")
  }
  const [pid] = yield* childrenOf(outer.pid)
  if (pid === undefined) return yield* bootFailed("its first process cannot be found under /proc")
  return pid
})

/** How to boot and enter one sandbox. */
export interface Options {
  readonly boot: Boot
  /** The command whose only child becomes what its last arguments, which are added here, say. */
  readonly command: ReadonlyArray<string>
  /** The uid of the host to drop to; none when a user namespace does that. */
  readonly uid: Option.Option<number>
}

const killTree = (
  outer: HostProcess.HostProcess,
  init: number,
  entered: ReadonlySet<HostProcess.HostProcess>
) =>
  Effect.gen(function* () {
    // The parent of PID 1 has not reaped it while it lives itself, so the number cannot be another's.
    yield* Effect.sync(() => {
      if (!outer.hasExited()) kill(init, "SIGKILL")
      // The namespace is gone only when those who entered it have been reaped by their stopped parents.
      for (const process of entered) process.signal("SIGCONT")
    })
    const everybody = [outer, ...entered]
    yield* Effect.forEach(everybody, (process) => process.exited, { concurrency: "unbounded" }).pipe(
      Effect.timeoutOption("3 seconds")
    )
    yield* Effect.forEach(everybody, (process) => process.dispose, {
      concurrency: "unbounded",
      discard: true
    })
  })

const kill = (pid: number, signal: NodeJS.Signals) => {
  try {
    process.kill(pid, signal)
  } catch {
    // It is gone, which is what a signal could do at most.
  }
}

/** Boots a sandbox in the scope. Fails with `BootFailed` and what the tools said. */
export const boot = Effect.fnUntraced(function* (options: Options) {
  const scope = yield* Effect.scope
  const entered = new Set<HostProcess.HostProcess>()
  const booted = yield* Effect.acquireRelease(
    Effect.gen(function* () {
      const args = ["--pdeathsig", "KILL", ...options.command, "--", ...initCommand(options.uid)]
      const first = options.boot.cage.wrap({ command: "setpriv", args })
      const outer = yield* HostProcess.spawn({ ...first, env: outerEnv, stdin: true }).pipe(
        Effect.mapError((error) => bootFailed(error.message))
      )
      const init = yield* awaitReady(outer).pipe(
        Effect.timeoutOrElse({
          duration: "20 seconds",
          orElse: () => Effect.fail(bootFailed("no answer in 20 seconds"))
        }),
        Effect.onError(() => outer.dispose)
      )
      return { outer, init }
    }),
    ({ init, outer }) => killTree(outer, init, entered)
  )
  const drop = Option.isSome(options.uid)
  const entry = (argv: ReadonlyArray<string>): ReadonlyArray<string> => [
    "--pdeathsig",
    "KILL",
    "nsenter",
    "-t",
    `${booted.init}`,
    ...(drop ? [] : ["-U", "--preserve-credentials"]),
    "-m",
    "-p",
    "-i",
    "-u",
    ...(options.boot.internet ? [] : ["-n"]),
    "setpriv",
    ...dropPrivileges(options.uid),
    ...argv
  ]
  const enter = (argv: ReadonlyArray<string>, io: Pick<HostProcess.Options, "stdin" | "stdio" | "control">) =>
    HostProcess.spawn({
      ...options.boot.cage.wrap({ command: "setpriv", args: entry(argv) }),
      env: outerEnv,
      ...io
    })

  const start = Effect.fnUntraced(
    function* (command: Command) {
      const stdio = yield* options.boot.pipes.stdio(command.stdin)
      const outer = yield* enter(["sh", "-c", Shell.launcher], { stdio, control: true })
      entered.add(outer)
      if (stdio.stdin !== undefined) {
        yield* Effect.forkIn(Effect.raceFirst(stdio.stdin.reopenable, Effect.asVoid(outer.exited)), scope)
      }
      const forget = Effect.sync(() => void entered.delete(outer))
      const pid = yield* HostProcess.launch(outer, { ...command, limits: options.boot.limits }).pipe(
        Effect.onError(() => Effect.andThen(outer.dispose, forget))
      )
      const [leader] = yield* childrenOf(outer.pid)
      const running: Running = {
        pid,
        stdin: outer.stdin,
        stdout: outer.stdout,
        stderr: outer.stderr,
        exited: outer.exited,
        signal: (signal) =>
          Effect.sync(() => {
            if (leader !== undefined && !outer.hasExited()) kill(leader, signal)
          }),
        release: Effect.andThen(outer.dispose, forget)
      }
      return running
    },
    Effect.catchTag("HostProcessError", (error) =>
      Effect.fail(new RpcError({ code: "internal", message: error.message }))
    )
  )

  const toAll = (signal: "STOP" | "CONT") =>
    Effect.scoped(
      Effect.gen(function* () {
        const sender = yield* Effect.acquireRelease(
          enter(["sh", "-c", `kill -${signal} -1 2>/dev/null; :`], { stdin: false, control: false }),
          ({ dispose }) => dispose
        )
        yield* sender.exited
      })
    ).pipe(Effect.mapError((error) => new RpcError({ code: "internal", message: error.message })))

  const machine: SandboxRuntime = {
    home: Layout.home,
    temporary: "/tmp",
    path: Layout.path,
    writable: Layout.writable,
    start,
    files: GuestFiles.make((argv, stdin) => enter(argv, { stdin, control: true }), options.boot.limits),
    connect: (port) => (options.boot.internet ? Tcp.connect(port) : Tcp.connectWithin(start, port)),
    freeze: toAll("STOP"),
    thaw: Effect.tap(toAll("CONT"), () =>
      Effect.sync(() => {
        for (const process of entered) process.signal("SIGCONT")
      })
    ),
    // The roots only wait outside.
    usage: Effect.suspend(() => {
      const roots = new Set([booted.outer, ...entered].map(({ pid }) => pid))
      return ResourceUsage.ofTree(({ pid }) => roots.has(pid), false)
    }),
    died: Effect.asVoid(booted.outer.exited)
  }
  return { machine, init: booted.init }
})
