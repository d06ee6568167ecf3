/**
 * A sandbox behind namespaces. Its PID 1 is booted first, and every other process enters its namespaces.
 *
 * @since 0.1.0
 */
import { Effect, Option, Scope } from "effect"
import * as Fs from "node:fs/promises"
import { BootFailed, E2bServerError } from "../../E2bServerError.ts"
import * as Guest from "../../guest/Guest.ts"
import * as HostProcess from "../../host/HostProcess.ts"
import * as ResourceUsage from "../../host/ResourceUsage.ts"
import * as Tcp from "../../host/tcp.ts"
import { launch } from "../launch.ts"
import {
  type Account,
  type Boot,
  type Command,
  CommandError,
  type Running,
  type SandboxRuntime
} from "../SandboxRuntime.ts"
import * as Shell from "../shell.ts"
import * as SandboxFiles from "./files.ts"
import * as GuestFiles from "./guestFiles.ts"
import * as Mounts from "./mounts.ts"
import { connectWithin } from "./portRelay.ts"
import * as RootNamespace from "./rootNamespace.ts"

/** The environment of programs that run before a command has its own. */
const outerEnv = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }

const noPrivileges = ["--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs"]

/** Arguments of `setpriv` that leave a command without privileges. Only a server that is root can change the user. */
const dropPrivileges = (uid: Option.Option<number>): ReadonlyArray<string> => [
  ...Option.match(uid, {
    onNone: () => [],
    onSome: (id) => ["--reuid", `${id}`, "--regid", `${id}`, "--clear-groups", "--bounding-set=-all"]
  }),
  ...noPrivileges
]

/**
 * PID 1 prints one line and lives for as long as the pipe from the server is open. It replaces a `cat` that a command of
 * the sandbox has killed.
 */
const initScript =
  'exec 3<&0; echo READY; while :; do cat <&3 >/dev/null; code=$?; [ "$code" -gt 128 ] || exit 0; done'

/**
 * The command that becomes PID 1.
 *
 * **Details**
 *
 * When the server is root, it stays uid 0 without any capability: the sandbox cannot signal it, and the kernel lets a
 * parent without capabilities deliver the death signal to it.
 */
const initCommand = (isRoot: boolean): ReadonlyArray<string> => [
  "setpriv",
  "--pdeathsig",
  "KILL",
  ...(isRoot ? ["--bounding-set=-all"] : []),
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

/** Waits for the first line of PID 1 and returns its pid on the host. */
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

/** The namespaces of PID 1 that a guest enters. A server that is not root enters its user namespace first. */
const namespacesOf = (init: number, isRoot: boolean, internet: boolean): ReadonlyArray<string> =>
  [...(isRoot ? [] : ["user"]), "mnt", "pid", "ipc", "uts", ...(internet ? [] : ["net"])].map(
    (kind) => `/proc/${init}/ns/${kind}`
  )

const refusal = ({ argv, cwd }: Command, { detail, word }: Guest.Refused): CommandError => {
  switch (word) {
    case "cwd":
      return new CommandError({ reason: "NoDirectory", message: `cwd '${cwd}' does not exist` })
    case "command":
      return new CommandError({
        reason: "NoProgram",
        message: `the program '${argv[0]}' does not exist or is not executable`
      })
    case "failed":
      return new CommandError({ reason: "Failed", message: `the command could not be started: ${detail}` })
  }
}

/** How to boot and enter one sandbox. */
export interface Options {
  readonly boot: Boot
  /** A command that runs its last arguments as its only child. They are appended here. */
  readonly command: ReadonlyArray<string>
  /** The uids on the host of the users. None when a user namespace of the sandbox drops the privileges. */
  readonly owners: Option.Option<Mounts.Owners>
}

const killTree = (
  outer: HostProcess.HostProcess,
  init: number,
  entered: ReadonlySet<HostProcess.HostProcess>
) =>
  Effect.gen(function* () {
    // The parent of PID 1 does not reap it while it lives itself, so the pid cannot belong to another process.
    yield* Effect.sync(() => {
      if (!outer.hasExited()) kill(init, "SIGKILL")
      // The namespace ends only when the stopped parents have reaped the processes that entered it.
      for (const process of entered) process.signal("SIGCONT")
    })
    const all = [outer, ...entered]
    yield* Effect.forEach(all, (process) => process.exited, { concurrency: "unbounded" }).pipe(
      Effect.timeoutOption("3 seconds")
    )
    yield* Effect.forEach(all, (process) => process.dispose, {
      concurrency: "unbounded",
      discard: true
    })
  })

const kill = (pid: number, signal: NodeJS.Signals) => {
  try {
    process.kill(pid, signal)
  } catch {
    // It has exited, which is all that a signal could achieve.
  }
}

type Io = Pick<HostProcess.Options, "stdin" | "stdio" | "control">

/** Boots a sandbox in the scope. Fails with `BootFailed` and the message of the tools. */
export const boot = Effect.fnUntraced(function* (options: Options) {
  const scope = yield* Effect.scope
  const entered = new Set<HostProcess.HostProcess>()
  const booted = yield* Effect.acquireRelease(
    Effect.gen(function* () {
      const args = [
        "--pdeathsig",
        "KILL",
        ...options.command,
        "--",
        ...initCommand(Option.isSome(options.owners))
      ]
      const first = options.boot.cgroup.wrap({ command: "setpriv", args })
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
  const isRoot = Option.isSome(options.owners)
  /** Enters the namespaces, and the given user namespace last. */
  const enterNamespaces = (
    user: ReadonlyArray<string>,
    argv: ReadonlyArray<string>
  ): ReadonlyArray<string> => [
    "--pdeathsig",
    "KILL",
    "nsenter",
    "-t",
    `${booted.init}`,
    ...user,
    "-m",
    "-p",
    "-i",
    "-u",
    ...(options.boot.internet ? [] : ["-n"]),
    "setpriv",
    ...argv
  ]
  const spawn = (args: ReadonlyArray<string>, io: Io) =>
    HostProcess.spawn({ ...options.boot.cgroup.wrap({ command: "setpriv", args }), env: outerEnv, ...io })
  const rootNamespace = yield* Effect.cached(
    Option.match(
      Option.flatMap(options.owners, ({ root, user }) =>
        Option.map(root, (id) => RootNamespace.make(id, user))
      ),
      {
        onNone: () =>
          Effect.fail(new HostProcess.HostProcessError({ command: "unshare", detail: "no root user" })),
        onSome: Scope.provide(scope)
      }
    )
  )
  const enterAs = {
    user: (argv: ReadonlyArray<string>, io: Io) =>
      spawn(
        enterNamespaces(isRoot ? [] : ["-U", "--preserve-credentials"], [
          ...dropPrivileges(Option.map(options.owners, ({ user }) => user)),
          ...argv
        ]),
        io
      ),
    root: (argv: ReadonlyArray<string>, io: Io) =>
      Effect.flatMap(rootNamespace, (path) => {
        rootWasUsed = true
        return spawn(
          enterNamespaces(
            [`--user=${path}`],
            [`--bounding-set=${RootNamespace.capabilities}`, ...noPrivileges, ...argv]
          ),
          io
        )
      })
  }
  let rootWasUsed = false

  const guest = yield* Effect.cached(
    Effect.uninterruptible(
      Guest.start({
        wrap: options.boot.cgroup.wrap,
        namespaces: namespacesOf(booted.init, isRoot, options.boot.internet),
        uid: Option.map(options.owners, ({ user }) => user),
        limits: options.boot.limits,
        env: outerEnv
      })
    ).pipe(Scope.provide(scope))
  )
  /** Starts a command of `user` without a program beside it. */
  const startByGuest = (by: Guest.Guest, command: Command) =>
    Effect.gen(function* () {
      const stdio = yield* options.boot.pipes.stdio(command.stdin)
      const started = yield* by.run(command, stdio)
      if (stdio.stdin !== undefined) {
        yield* Effect.forkIn(Effect.raceFirst(stdio.stdin.reopenable, Effect.asVoid(started.exited)), scope)
      }
      const release = Effect.sync(() => {
        for (const pipe of [started.stdin, started.stdout, started.stderr]) pipe?.destroy()
      })
      return { ...started, release } satisfies Running
    }).pipe(Effect.catchTag("Refused", (refused) => Effect.fail(refusal(command, refused))))

  const startByTools = Effect.fnUntraced(function* (command: Command) {
    const stdio = yield* options.boot.pipes.stdio(command.stdin)
    const outer = yield* enterAs[command.user ?? "user"](["sh", "-c", Shell.launcher], {
      stdio,
      control: true
    })
    entered.add(outer)
    if (stdio.stdin !== undefined) {
      yield* Effect.forkIn(Effect.raceFirst(stdio.stdin.reopenable, Effect.asVoid(outer.exited)), scope)
    }
    const forget = Effect.sync(() => void entered.delete(outer))
    const pid = yield* launch(outer, { ...command, limits: options.boot.limits }).pipe(
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
  })

  const start = (command: Command) =>
    Effect.flatMap(command.user === "root" ? Effect.succeedNone : guest, (found) =>
      Option.isNone(found)
        ? startByTools(command)
        : Effect.catchTag(startByGuest(found.value, command), "GuestUnable", () => startByTools(command))
    ).pipe(
      Effect.catchTag("HostProcessError", (error) =>
        Effect.fail(new CommandError({ reason: "Failed", message: error.message }))
      )
    )

  /** Each user can signal only its own processes. */
  const toAllOf = (name: Account["name"], signal: "STOP" | "CONT") =>
    Effect.scoped(
      Effect.gen(function* () {
        const sender = yield* Effect.acquireRelease(
          enterAs[name](["sh", "-c", `kill -${signal} -1 2>/dev/null; :`], { stdin: false, control: false }),
          ({ dispose }) => dispose
        )
        yield* sender.exited
      })
    ).pipe(Effect.mapError((error) => new CommandError({ reason: "Failed", message: error.message })))
  const toAll = (signal: "STOP" | "CONT") =>
    Effect.andThen(
      toAllOf("user", signal),
      Effect.suspend(() => (rootWasUsed ? toAllOf("root", signal) : Effect.void))
    )

  const account = (name: Account["name"], home: string): Account => {
    const scripts = SandboxFiles.make(
      (argv, stdin) => enterAs[name](argv, { stdin, control: true }),
      options.boot.limits
    )
    return { name, home, files: name === "user" ? GuestFiles.make(guest, scripts) : scripts }
  }
  const root = Option.flatMap(options.owners, (owners) => owners.root)

  const runtime: SandboxRuntime = {
    user: account("user", Mounts.home),
    root: Option.map(root, () => account("root", "/root")),
    temporary: "/tmp",
    path: Mounts.searchPath,
    writable: Mounts.writableNames(Option.isSome(root)),
    start,
    connect: (port) => (options.boot.internet ? Tcp.connect(port) : connectWithin(start, port)),
    freeze: toAll("STOP"),
    thaw: Effect.tap(toAll("CONT"), () =>
      Effect.sync(() => {
        for (const process of entered) process.signal("SIGCONT")
      })
    ),
    // The roots of the tree only wait outside of the sandbox.
    usage: Effect.flatMap(guest, (found) => {
      const roots = new Set([booted.outer, ...entered, ...Option.toArray(found)].map(({ pid }) => pid))
      return ResourceUsage.ofTree(({ pid }) => roots.has(pid), false)
    }),
    died: Effect.asVoid(booted.outer.exited)
  }
  return { runtime, init: booted.init }
})
