/**
 * A sandbox behind namespaces. Its PID 1 is booted first, and every other process enters its namespaces.
 *
 * @since 0.1.0
 */
import { Effect, Option, Scope } from "effect"
import { existsSync } from "node:fs"
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
import * as Entry from "./entry.ts"
import * as SandboxFiles from "./files.ts"
import * as GuestFiles from "./guestFiles.ts"
import * as Mounts from "./mounts.ts"
import * as Pausing from "./pausing.ts"
import { connectWithin } from "./portRelay.ts"
import * as RootNamespace from "./rootNamespace.ts"

const hasCgroupNamespaces = existsSync("/proc/self/ns/cgroup")

/** The environment of programs that run before a command has its own. */
const outerEnv = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }

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
  /** Whether the command becomes PID 1 itself, without a program to run. */
  readonly becomesInit?: boolean | undefined
  /** The uids on the host of the users. None when a user namespace of the sandbox drops the privileges. */
  readonly owners: Option.Option<Mounts.Owners>
  /** Whether the command makes a second user namespace inside of the one that its mounts belong to. */
  readonly nestedUser: boolean
}

/** The namespaces of a process that a program enters, and the kinds of the user namespaces around them. */
const namespacesOf = (
  init: number,
  internet: boolean,
  users: { readonly before: ReadonlyArray<string>; readonly after: ReadonlyArray<string> }
): ReadonlyArray<string> => [
  ...users.before,
  ...[
    "mnt",
    "pid",
    "ipc",
    "uts",
    ...(internet ? [] : ["net"]),
    ...(hasCgroupNamespaces ? ["cgroup"] : [])
  ].map((kind) => `/proc/${init}/ns/${kind}`),
  ...users.after
]

const killTree = (
  outer: HostProcess.HostProcess,
  init: number,
  entered: ReadonlySet<HostProcess.HostProcess>,
  thaw: Effect.Effect<void>
) =>
  Effect.gen(function* () {
    // The parent of PID 1 does not reap it while it lives itself, so the pid cannot belong to another process.
    yield* Effect.sync(() => {
      if (!outer.hasExited()) kill(init, "SIGKILL")
      // The namespace ends only when the stopped parents have reaped the processes that entered it.
      for (const process of entered) process.signal("SIGCONT")
    })
    yield* thaw
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

/** Stops and continues all processes below the roots. */
const pausing = (cgroup: Boot["cgroup"], roots: () => ReadonlySet<number>) => {
  const failed = new CommandError({ reason: "Failed", message: "its processes could not be frozen" })
  if (Option.isSome(cgroup.freezer)) {
    const { freeze, thaw } = cgroup.freezer.value
    return {
      freeze: Effect.flatMap(freeze, (frozen) =>
        frozen ? Effect.void : Effect.andThen(thaw, Effect.fail(failed))
      ),
      thaw
    }
  }
  return {
    freeze: Effect.onError(Pausing.stop(roots), () => Pausing.resume(roots)),
    thaw: Pausing.resume(roots)
  }
}

type Io = Pick<HostProcess.Options, "stdin" | "stdio" | "control">

/** Boots a sandbox in the scope. Fails with `BootFailed` and the message of the tools. */
export const boot = Effect.fnUntraced(function* (options: Options) {
  const scope = yield* Effect.scope
  const entered = new Set<HostProcess.HostProcess>()
  const booted = yield* Effect.acquireRelease(
    Effect.gen(function* () {
      const first = Entry.build(options.boot.cgroup, [
        ...options.command,
        "--",
        ...(options.becomesInit === true ? [] : Entry.init(Option.isSome(options.owners), outerEnv.PATH))
      ])
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
    ({ init, outer }) =>
      killTree(
        outer,
        init,
        entered,
        Option.match(options.boot.cgroup.freezer, { onNone: () => Effect.void, onSome: ({ thaw }) => thaw })
      )
  )
  const isRoot = Option.isSome(options.owners)
  const { cgroup, internet, userNamespaces } = options.boot
  const spawn = (target: Omit<Entry.Target, "userNamespaces">, argv: ReadonlyArray<string>, io: Io) =>
    HostProcess.spawn({
      ...Entry.enter(cgroup, { ...target, userNamespaces }, argv),
      env: outerEnv,
      ...io
    })
  const own = `/proc/${booted.init}/ns/user`
  const around = isRoot
    ? { before: [], after: [] }
    : options.nestedUser
      ? { before: [`parent:${own}`], after: [own] }
      : { before: [own], after: [] }
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
        {
          namespaces: namespacesOf(booted.init, internet, around),
          identity: { uid: Option.map(options.owners, ({ user }) => user), capabilities: [] }
        },
        argv,
        io
      ),
    root: (argv: ReadonlyArray<string>, io: Io) =>
      Effect.flatMap(rootNamespace, (path) =>
        spawn(
          {
            namespaces: namespacesOf(booted.init, internet, { before: [], after: [path] }),
            identity: { uid: Option.none(), capabilities: RootNamespace.capabilities }
          },
          argv,
          io
        )
      )
  }

  const guest = yield* Effect.cached(
    Effect.uninterruptible(
      Guest.start({
        groups: cgroup.groups,
        namespaces: namespacesOf(booted.init, internet, around),
        uid: Option.map(options.owners, ({ user }) => user),
        limits: options.boot.limits,
        filter: Entry.filterOf(cgroup, userNamespaces),
        env: outerEnv
      })
    ).pipe(
      Effect.tap((found) => Effect.sync(() => (resident = Option.toArray(found)))),
      Scope.provide(scope)
    )
  )
  let resident: ReadonlyArray<Guest.Guest> = []
  // It starts while the answer is on its way to the client.
  yield* Effect.forkIn(guest, scope)
  /** Closes the pipes of commands that run when the sandbox ends, and that nobody releases. */
  const unreleased = new Set<() => void>()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const close of unreleased) close()
    })
  )
  /** Starts a command of `user` without a program beside it. */
  const startByGuest = (by: Guest.Guest, command: Command) =>
    Effect.gen(function* () {
      const stdio = yield* options.boot.pipes.stdio(command.stdin)
      const started = yield* by.run(command, stdio)
      if (stdio.stdin !== undefined) {
        yield* Effect.forkIn(Effect.raceFirst(stdio.stdin.reopenable, Effect.asVoid(started.exited)), scope)
      }
      const close = () => {
        unreleased.delete(close)
        for (const pipe of [started.stdin, started.stdout, started.stderr]) pipe?.destroy()
      }
      unreleased.add(close)
      return { ...started, release: Effect.sync(close) } satisfies Running
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
    // The guest of a server that is not root is in another user namespace and cannot open the pipes of the server.
    Effect.flatMap(command.user === "root" || !isRoot ? Effect.succeedNone : guest, (found) =>
      Option.isNone(found)
        ? startByTools(command)
        : Effect.catchTag(startByGuest(found.value, command), "GuestUnable", () => startByTools(command))
    ).pipe(
      Effect.catchTag("HostProcessError", (error) =>
        Effect.fail(new CommandError({ reason: "Failed", message: error.message }))
      )
    )

  /** The processes outside of the sandbox whose descendants are in it. */
  const roots = () => new Set([booted.outer, ...entered, ...resident].map(({ pid }) => pid))
  const descendants = Effect.suspend(() => ResourceUsage.descendants(roots()))
  // Each sandbox of a server that is root has uids of its own.
  const uids = Option.match(options.owners, {
    onNone: () => [],
    onSome: (owners) => (owners.user >= Mounts.FIRST_UID ? [owners.user, ...Option.toArray(owners.root)] : [])
  })
  const { freeze, thaw } = pausing(cgroup, roots)

  const account = (name: Account["name"], home: string): Account => {
    const scripts = SandboxFiles.make(
      (argv, stdin) => enterAs[name](argv, { stdin, control: true }),
      options.boot.limits
    )
    return { name, home, files: name === "user" ? GuestFiles.make(guest, scripts) : scripts }
  }
  const root = Option.flatMap(options.owners, (owners) => owners.root)

  const runtime: SandboxRuntime = {
    isolated: true,
    user: account("user", Mounts.home),
    root: Option.map(root, () => account("root", "/root")),
    temporary: "/tmp",
    path: Mounts.searchPath,
    writable: Mounts.writableNames(Option.isSome(root)),
    start,
    connect: (port) =>
      internet ? Tcp.connectOwned(port, { uids, pids: descendants }) : connectWithin(start, port),
    freeze,
    thaw,
    // The roots of the tree only wait outside of the sandbox.
    usage: Effect.suspend(() => {
      const outside = roots()
      return ResourceUsage.ofTree(({ pid }) => outside.has(pid), false)
    }),
    died: Effect.asVoid(booted.outer.exited)
  }
  return { runtime, init: booted.init }
})
