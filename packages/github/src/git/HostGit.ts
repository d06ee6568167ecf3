/**
 * Runs git on this machine, apart from everything that the machine's owner or a hostile repository has set up.
 *
 * **The token** travels through a socket pair that only this one git process and its children inherit as descriptor
 * 3. A helper, whose text is constant, hands it on when git asks for credentials of the one server it is meant for;
 * it can be read once. Others ways leave more behind: arguments and URLs are visible to every user (`ps`), the
 * environment to every process of the same user (`/proc/<pid>/environ`), a file or FIFO has a name and may outlive a
 * crash. A socket cannot even be opened through `/proc/<pid>/fd`.
 *
 * **The machine's git** is not asked: no system or user configuration, no hooks, credential helpers, prompts, netrc or
 * attributes. Repositories that we keep are bare, are never checked out, and are refused by git itself when somebody
 * else owns them.
 */
import { GitError } from "@remote-agent/domain"
import { Duration, Effect, Redacted, Ref, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

/** How git is run on this machine. */
export interface Options {
  /** Where git and what it calls are looked for; the usual folders when absent. */
  readonly path?: string | undefined
  /** Added to the environment of git, such as `HTTPS_PROXY` or `SSL_CERT_FILE`. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** How long one git process may take. 10 minutes when absent. */
  readonly timeout?: Duration.Input | undefined
}

/** A token, and the one server that may see it. */
export interface Credential {
  /** `https://github.com`, as git looks it up. */
  readonly origin: string
  readonly token: Redacted.Redacted
}

/** One run of git. */
export interface Run {
  readonly args: readonly [string, ...ReadonlyArray<string>]
  /** The bare repository to work in. */
  readonly gitDir?: string | undefined
  readonly stdin?: string | Uint8Array | undefined
  /** Handed out once, to the server it is for. */
  readonly credential?: Credential | undefined
  /** Which protocols may be used, `file` for a folder or bundle of this machine. None when absent. */
  readonly protocols?: ReadonlyArray<"https" | "http" | "file"> | undefined
  /** How many bytes git may print. 64 MiB when absent. */
  readonly limit?: number | undefined
}

/** How it ended. `stderr` is for telling failures apart and must not leave this package. */
export interface Done {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** The oldest git that can be cut off from the user's configuration (`GIT_CONFIG_GLOBAL`). */
export const needed = "2.32"

const usualPath = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin:/usr/local/sbin:/usr/sbin:/sbin"

/** Answers `get` with what comes through descriptor 3, and says nothing when asked to store or erase. */
const helper = '!f() { test "$1" = get && cat <&3; }; f'

const always: ReadonlyArray<readonly [string, string]> = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.askPass", ""],
  ["core.sshCommand", "false"],
  ["core.gitProxy", "false"],
  ["core.alternateRefsCommand", "true"],
  ["credential.helper", ""],
  ["fetch.recurseSubmodules", "false"],
  ["fetch.writeCommitGraph", "false"],
  // Packs, whose size is quickly told, and never thousands of loose files.
  ["fetch.unpackLimit", "1"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["push.recurseSubmodules", "no"],
  ["push.gpgSign", "false"],
  ["http.lowSpeedLimit", "100"],
  ["http.lowSpeedTime", "120"],
  ["protocol.allow", "never"]
]

const argumentsOf = ({ args, credential, gitDir, protocols = [] }: Run): ReadonlyArray<string> => {
  const settings: ReadonlyArray<readonly [string, string]> = [
    ...always,
    ...protocols.map((protocol) => [`protocol.${protocol}.allow`, "always"] as const),
    ...(credential === undefined
      ? []
      : [
          [`credential.${credential.origin}.helper`, helper] as const,
          [`credential.${credential.origin}.username`, "x-access-token"] as const
        ])
  ]
  return [
    ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ...(gitDir === undefined ? [] : [`--git-dir=${gitDir}`]),
    ...args
  ]
}

/** What a git process finds around it: nothing of the machine's own. */
const environment = ({ env, path = usualPath }: Options): Record<string, string> => ({
  ...env,
  PATH: path,
  HOME: "/dev/null",
  XDG_CONFIG_HOME: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_ATTR_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  GIT_OPTIONAL_LOCKS: "0",
  LC_ALL: "C"
})

const encoder = new TextEncoder()

/** What the helper of {@link Credential} hands to git. */
export const answerOf = ({ token }: Credential): string =>
  `username=x-access-token\npassword=${Redacted.value(token)}\n`

class OutputTooLarge {
  readonly _tag = "OutputTooLarge"
}

/** The text of a stream, given up beyond the limit. */
const collect = <E>(stream: Stream.Stream<Uint8Array, E>, limit: number) =>
  Effect.gen(function* () {
    const size = yield* Ref.make(0)
    const pieces: Array<Uint8Array> = []
    yield* Stream.runForEach(stream, (piece) =>
      Effect.flatMap(
        Ref.updateAndGet(size, (before) => before + piece.length),
        (total) =>
          total > limit ? Effect.fail(new OutputTooLarge()) : Effect.sync(() => void pieces.push(piece))
      )
    )
    return Buffer.concat(pieces).toString()
  })

/** The last part of a stream, however long it is. */
const tail = <E>(stream: Stream.Stream<Uint8Array, E>, length: number) =>
  Stream.runFold(
    stream,
    () => "",
    (text, piece) => (text + Buffer.from(piece).toString()).slice(-length)
  )

/**
 * What runs git. An exit code other than 0 is a result. Interruption and timeouts end git and all it started, with
 * SIGTERM first, so that it takes its lock files away.
 */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const timeout = Duration.fromInputUnsafe(options.timeout ?? "10 minutes")
  const env = environment(options)

  const run = Effect.fnUntraced(function* (command: Run) {
    const { credential, limit = 64 * 1024 * 1024, stdin } = command
    const handle = yield* spawner.spawn(
      ChildProcess.make("git", argumentsOf(command), {
        cwd: "/",
        env,
        stdin:
          stdin === undefined
            ? "ignore"
            : Stream.succeed(typeof stdin === "string" ? encoder.encode(stdin) : stdin),
        forceKillAfter: "5 seconds",
        ...(credential === undefined
          ? {}
          : {
              additionalFds: {
                fd3: { type: "input", stream: Stream.succeed(encoder.encode(answerOf(credential))) }
              }
            })
      })
    )
    const [stdout, stderr, exitCode] = yield* Effect.all(
      [collect(handle.stdout, limit), tail(handle.stderr, 64 * 1024), handle.exitCode],
      { concurrency: 3 }
    )
    return { exitCode: Number(exitCode), stdout, stderr } satisfies Done
  }, Effect.scoped)

  return (operation: GitError.Operation, command: Run): Effect.Effect<Done, GitError.GitError> =>
    run(command).pipe(
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(GitError.fail(operation, new GitError.TimedOut({ after: timeout })))
      }),
      Effect.catchTags({
        OutputTooLarge: () =>
          Effect.fail(
            GitError.fail(operation, new GitError.TooLarge({ limitBytes: command.limit ?? 64 * 1024 * 1024 }))
          ),
        PlatformError: (error) =>
          Effect.fail(
            GitError.fail(
              operation,
              error.reason._tag === "NotFound"
                ? new GitError.GitMissing({ where: "host" })
                : // A signal ended git: nobody knows how far it came.
                  new GitError.CommandFailed({ command: command.args[0], exitCode: -1, where: "host" })
            )
          )
      })
    )
})

/** Runs git on this machine. */
export type HostGit = Effect.Success<ReturnType<typeof make>>

/** Whether a version of git is one that we can use. Unreadable ones are not. */
export const isNewEnough = (version: string): boolean => {
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(version) ?? []).slice(1).map(Number)
  const [needMajor = 0, needMinor = 0] = needed.split(".").map(Number)
  return major > needMajor || (major === needMajor && minor >= needMinor)
}

/**
 * Why git could not use a repository on a server. git has one exit code for all of it, so its words are the only way;
 * they are those of the C locale.
 */
export const remoteReason = (
  repository: string,
  stderr: string
):
  | GitError.AuthenticationFailed
  | GitError.PermissionDenied
  | GitError.RepositoryNotFound
  | GitError.Unreachable
  | undefined => {
  if (/Authentication failed for|could not read (?:Username|Password) for|returned error: 401/.test(stderr)) {
    return new GitError.AuthenticationFailed({ repository })
  }
  if (/returned error: 403/.test(stderr)) return new GitError.PermissionDenied({ repository })
  if (/returned error: 404|repository '.*' not found|Repository not found/.test(stderr)) {
    return new GitError.RepositoryNotFound({ repository })
  }
  return /unable to access|could not resolve host|RPC failed|early EOF|hung up unexpectedly|expected flush after|returned error: 5\d\d|returned error: 429|unexpected disconnect/i.test(
    stderr
  )
    ? new GitError.Unreachable({ repository })
    : undefined
}
