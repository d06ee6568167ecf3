/**
 * No isolation: plain processes in a folder and a process group of their own.
 *
 * Only for programs that are trusted as much as the server itself. Processes see the whole host. A process that leaves
 * its group and session survives its sandbox where the server cannot make control groups. In a sandbox made from a
 * snapshot, absolute links still lead to the folders of the first sandbox.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { BootFailed, E2bServerError } from "../../E2bServerError.ts"
import * as Cgroups from "../../host/Cgroups.ts"
import * as CopyTree from "../../host/copyTree.ts"
import * as HostProcess from "../../host/HostProcess.ts"
import * as ProcessOwner from "../../host/ProcessOwner.ts"
import * as ResourceUsage from "../../host/ResourceUsage.ts"
import * as Tcp from "../../host/tcp.ts"
import { launch } from "../launch.ts"
import {
  type Boot,
  type Command,
  CommandError,
  type Running,
  type RuntimeProvider,
  type SandboxRuntime
} from "../SandboxRuntime.ts"
import * as Shell from "../shell.ts"
import * as PlainFiles from "./files.ts"

const systemPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/bin"
const env = { PATH: systemPath }

// Knows every process group and kills them when the server has ended for any reason.
const watchdogScript = `
trap '' HUP INT TERM
groups=" "
while read -r word group; do
  case $word in
    add) groups="$groups$group " ;;
    drop) case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done`

// The command is a child and not a group leader, so that `exec setsid` keeps its pid, as in E2B.
const outerScript = 'exec 5>&2 2>/dev/null; sh -c "$1" 2>&5 5>&-; code=$?; exit "$code"'

// A login shell would replace PATH with that of the host's profile.
const profile =
  '[ -z "${E2B_LOCAL_PATH-}" ] || { PATH=$E2B_LOCAL_PATH; export PATH; unset E2B_LOCAL_PATH; }\n'

const signalNumbers: Readonly<Record<string, number>> = { SIGKILL: 9, SIGTERM: 15 }

const signalGroup = (group: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    process.kill(-group, signal)
    return true
  } catch {
    return false
  }
}

const internal = (error: HostProcess.HostProcessError) =>
  new CommandError({ reason: "Failed", message: error.message })

const writable = ["home", "tmp"] as const

const bootFailed = (detail: string) =>
  new E2bServerError({ operation: "boot", reason: new BootFailed({ detail }) })

const attempt = <A>(promise: () => Promise<A>) =>
  Effect.tryPromise({ try: promise, catch: (cause) => bootFailed(String(cause)) })

const emptyFolders = (directory: string) =>
  attempt(async () => {
    await Promise.all(writable.map((name) => Fs.mkdir(Path.join(directory, name), { mode: 0o700 })))
    await Fs.writeFile(Path.join(directory, "home", ".profile"), profile)
  })

const layOut = Effect.fnUntraced(function* ({ directory, files }: Boot) {
  if (files._tag === "Empty") yield* emptyFolders(directory)
  if (files._tag === "CopyOf") {
    yield* CopyTree.folders({
      names: writable,
      from: files.folder,
      to: directory,
      owners: Option.none(),
      unconfined: true
    }).pipe(Effect.mapError((error) => bootFailed(error.message)))
  }
  const home = yield* attempt(() => Fs.realpath(Path.join(directory, "home")))
  const temporary = yield* attempt(() => Fs.realpath(Path.join(directory, "tmp")))
  return { home, temporary }
})

const boot = Effect.fnUntraced(function* (request: Boot) {
  const scope = yield* Effect.scope
  const { home, temporary } = yield* layOut(request)
  const groups = new Set<number>()
  const outers = new Set<HostProcess.HostProcess>()
  const watchdog = yield* HostProcess.scoped({
    command: "sh",
    args: ["-c", watchdogScript],
    env,
    stdin: true
  }).pipe(Effect.mapError((error) => bootFailed(error.message)))
  const tell = (word: "add" | "drop", group: number) =>
    watchdog.stdin === undefined
      ? Effect.void
      : Effect.ignore(HostProcess.write(watchdog.stdin, `${word} ${group}\n`))
  const add = Effect.fnUntraced(function* (group: number) {
    groups.add(group)
    yield* tell("add", group)
    yield* ProcessOwner.record(request.directory, group)
  })
  const drop = Effect.fnUntraced(function* (group: number) {
    groups.delete(group)
    yield* tell("drop", group)
  })

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      for (const group of groups) signalGroup(group, "SIGKILL")
      yield* Effect.forEach(outers, (outer) => outer.dispose, { concurrency: "unbounded", discard: true })
    })
  )

  /** Descendants may outlive a command. The group must be forgotten before its number is reused. */
  const forgetWhenEmpty = (group: number) =>
    Effect.suspend(() =>
      signalGroup(group, 0) ? Effect.as(Effect.sleep("1 second"), false) : Effect.succeed(true)
    ).pipe(Effect.repeat({ until: (empty) => empty }), Effect.andThen(drop(group)))

  const start = Effect.fnUntraced(
    function* (command: Command) {
      const stdio = yield* request.pipes.stdio(command.stdin)
      const outer = yield* HostProcess.spawn({
        ...request.cgroup.wrap({ command: "sh", args: ["-c", outerScript, "sh", Shell.launcher] }),
        env,
        cwd: home,
        stdio,
        control: true
      })
      outers.add(outer)
      if (stdio.stdin !== undefined) {
        yield* Effect.forkIn(Effect.raceFirst(stdio.stdin.reopenable, Effect.asVoid(outer.exited)), scope)
      }
      // Before it becomes the command, so that it cannot outlive the server.
      yield* add(outer.pid)
      const pid = yield* launch(outer, {
        ...command,
        env: { ...command.env, E2B_LOCAL_PATH: command.env["PATH"] ?? systemPath },
        limits: { openFiles: request.limits.openFiles, fileBytes: request.limits.fileBytes }
      }).pipe(
        Effect.onError(() =>
          Effect.andThen(
            outer.dispose,
            Effect.andThen(
              drop(outer.pid),
              Effect.sync(() => outers.delete(outer))
            )
          )
        )
      )
      // The group that it gets with `exec setsid`.
      yield* add(pid)
      const sent = new Set<NodeJS.Signals>()
      const running: Running = {
        pid,
        stdin: outer.stdin,
        stdout: outer.stdout,
        stderr: outer.stderr,
        exited: Effect.map(outer.exited, (status) => {
          // A shell reports a signal as a code. A signal that was sent from here is reported as a signal.
          const signal = [...sent].find((name) => status.code === 128 + (signalNumbers[name] ?? 0))
          return signal === undefined ? status : { code: null, signal }
        }),
        signal: (signal) =>
          Effect.sync(() => {
            if (outer.hasExited()) return
            sent.add(signal)
            try {
              process.kill(pid, signal)
            } catch {
              // It has exited.
            }
          }),
        release: Effect.gen(function* () {
          yield* outer.dispose
          outers.delete(outer)
          yield* Effect.forkIn(Effect.andThen(forgetWhenEmpty(outer.pid), forgetWhenEmpty(pid)), scope)
        })
      }
      return running
    },
    Effect.catchTag("HostProcessError", (error) => Effect.fail(internal(error)))
  )

  // A program that leaves its group is found by the control group, where there is one.
  const members = Effect.zipWith(
    Cgroups.membersOf(request.cgroup),
    ResourceUsage.ofGroups(groups),
    (grouped, below) => [...new Set([...grouped, ...below])]
  )

  const toAll = (signal: "SIGSTOP" | "SIGCONT") =>
    Effect.sync(() => {
      for (const group of groups) signalGroup(group, signal)
    })

  return {
    isolated: false,
    user: { name: "user", home, files: PlainFiles.make([home, temporary]) },
    root: Option.none(),
    temporary,
    path: `${Path.dirname(process.execPath)}:${systemPath}`,
    writable,
    start,
    connect: (port) => Tcp.connectOwned(port, { uids: [], pids: members }),
    freeze: toAll("SIGSTOP"),
    thaw: toAll("SIGCONT"),
    usage: Effect.suspend(() => ResourceUsage.ofTree(({ group }) => groups.has(group), true)),
    died: Effect.never
  } satisfies SandboxRuntime
})

/** Plain processes. Never taken unless it is asked for. */
export const provider: RuntimeProvider = { kind: "none", boot }
