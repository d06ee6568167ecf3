/**
 * Runs git on this machine, isolated from the configuration of the machine's user and of hostile repositories.
 *
 * **The token** travels through a socket pair that only this git process and its children inherit, as descriptor 3. A
 * credential helper with a constant text passes it on when git asks for the credential of the one server it is meant
 * for, and it can be read once. Every other way exposes more: arguments and URLs are visible to all users (`ps`), the
 * environment to all processes of the user (`/proc/<pid>/environ`), and a file or FIFO has a name and may survive a
 * crash. A socket cannot be opened through `/proc/<pid>/fd`.
 *
 * **The machine's configuration** does not apply: no system or user configuration, hooks, credential helpers, prompts,
 * netrc or attributes, and no variable of the caller's environment. The mirrors are bare, are never checked out, and git
 * itself refuses them when another user owns them.
 */
import { GitError } from "@remote-agent/domain"
import { Duration, Effect, Redacted, Ref, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import type { Author } from "./GitName.ts"

/**
 * How git is run on this machine.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Where git and its helpers are looked up. Default: the usual folders. */
  readonly path?: string | undefined
  /** Added to the environment of git, such as `https_proxy`. Git's own variables are ignored, except `GIT_SSL_CAINFO`. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** The time limit of one git process. Default: 10 minutes. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * A token and the server that may see it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Credential {
  /** `https://github.com`, in the form in which git looks it up. */
  readonly origin: string
  readonly token: Redacted.Redacted
}

/**
 * One run of git.
 *
 * @category models
 * @since 0.1.0
 */
export interface Run {
  readonly args: readonly [string, ...ReadonlyArray<string>]
  /** The bare repository to work in. */
  readonly gitDir?: string | undefined
  /** The folder of a repository of the machine's user to work in, whoever owns it. */
  readonly folder?: string | undefined
  readonly stdin?: string | Uint8Array | undefined
  /** The author and committer of commits. */
  readonly author?: Author | undefined
  /** Given once, to the server it is meant for. */
  readonly credential?: Credential | undefined
  /** The protocols that may be used; `file` is for a folder or a bundle on this machine. Default: none. */
  readonly protocols?: ReadonlyArray<"https" | "http" | "file"> | undefined
  /** How many bytes git may print. Default: 64 MiB. */
  readonly limit?: number | undefined
}

/**
 * The result of a run. `stderr` tells failures apart and must not leave this package.
 *
 * @category models
 * @since 0.1.0
 */
export interface Done {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** The oldest git that can be isolated from the user's configuration (`GIT_CONFIG_GLOBAL`). */
const needed = "2.32"

const usualPath = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin:/usr/local/sbin:/usr/sbin:/sbin"

const defaultLimit = 64 * 1024 * 1024

/** Answers `get` with the content of descriptor 3, and nothing to `store` and `erase`. */
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
  // Keep packs: their size is quick to add up, unlike that of thousands of loose files.
  ["fetch.unpackLimit", "1"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["push.recurseSubmodules", "no"],
  ["push.gpgSign", "false"],
  ["http.lowSpeedLimit", "100"],
  ["http.lowSpeedTime", "120"],
  ["protocol.allow", "never"]
]

const argumentsOf = ({
  args,
  author,
  credential,
  folder,
  gitDir,
  protocols = []
}: Run): ReadonlyArray<string> => {
  const settings: ReadonlyArray<readonly [string, string]> = [
    ...always,
    ...protocols.map((protocol) => [`protocol.${protocol}.allow`, "always"] as const),
    ...(folder === undefined ? [] : [["safe.directory", "*"] as const]),
    ...(author === undefined
      ? []
      : [["user.name", author.name] as const, ["user.email", author.email] as const]),
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
    ...(folder === undefined ? [] : ["-C", folder]),
    ...args
  ]
}

// Of git's own variables only those that trust certificates may come from outside: others name another repository,
// configuration or program.
const isForeign = ([name]: readonly [string, string]): boolean => /^GIT_(?!(?:PROXY_)?SSL_CAINFO$)/.test(name)

const environment = ({ env = {}, path = usualPath }: Options): Record<string, string> => ({
  ...Object.fromEntries(Object.entries(env).filter((variable) => !isForeign(variable))),
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

/**
 * The arguments and the whole environment of a run of git.
 *
 * **When to use**
 *
 * Where git must be started without a `ChildProcessSpawner`. Everything else uses {@link make}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const invocation = (
  command: Run,
  options: Options = {}
): { readonly args: ReadonlyArray<string>; readonly env: Readonly<Record<string, string>> } => ({
  args: argumentsOf(command),
  env: environment(options)
})

const encoder = new TextEncoder()

/** What the helper passes to git for a {@link Credential}. */
export const answerOf = ({ token }: Credential): string =>
  `username=x-access-token\npassword=${Redacted.value(token)}\n`

class OutputTooLarge {
  readonly _tag = "OutputTooLarge"
}

/** The text of a stream. Fails beyond the limit. */
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

/** The end of a stream of any length. */
const tail = <E>(stream: Stream.Stream<Uint8Array, E>, length: number) =>
  Stream.runFold(
    stream,
    () => "",
    (text, piece) => (text + Buffer.from(piece).toString()).slice(-length)
  )

/**
 * Makes a function that runs git.
 *
 * **Details**
 *
 * A nonzero exit code is a result, not a failure. Interruption and timeouts kill git and its children, with SIGTERM
 * first, so that it can remove its lock files.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const timeout = Duration.fromInputUnsafe(options.timeout ?? "10 minutes")
  const env = environment(options)

  const run = Effect.fnUntraced(function* (command: Run) {
    const { credential, limit = defaultLimit, stdin } = command
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
            GitError.fail(operation, new GitError.TooLarge({ limitBytes: command.limit ?? defaultLimit }))
          ),
        PlatformError: (error) =>
          Effect.fail(
            GitError.fail(
              operation,
              error.reason._tag === "NotFound"
                ? new GitError.GitMissing({ where: "host" })
                : // A signal killed git, so there is no exit code.
                  new GitError.CommandFailed({ command: command.args[0], exitCode: -1, where: "host" })
            )
          )
      })
    )
})

/**
 * Runs git on this machine.
 *
 * @category models
 * @since 0.1.0
 */
export type HostGit = Effect.Success<ReturnType<typeof make>>

/** Whether a version of git can be used. An unreadable version cannot. */
export const isNewEnough = (version: string): boolean => {
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(version) ?? []).slice(1).map(Number)
  const [needMajor = 0, needMinor = 0] = needed.split(".").map(Number)
  return major > needMajor || (major === needMajor && minor >= needMinor)
}

/** Fails with `GitTooOld` when git on this machine cannot be used. */
export const checkVersion = Effect.fnUntraced(function* (git: HostGit) {
  const { stdout: version } = yield* git("start", { args: ["version"] })
  if (isNewEnough(version)) return
  return yield* GitError.fail(
    "start",
    new GitError.GitTooOld({ where: "host", version: version.trim(), needed })
  )
})

/** Runs git in a bare repository and returns what it printed. Fails with `CommandFailed` on a nonzero exit code. */
export const printing = (git: HostGit) =>
  Effect.fnUntraced(function* (
    operation: GitError.Operation,
    gitDir: string,
    args: Run["args"],
    stdin?: string
  ) {
    const { exitCode, stdout } = yield* git(operation, { args, gitDir, stdin })
    if (exitCode === 0) return stdout
    return yield* GitError.fail(
      operation,
      new GitError.CommandFailed({ command: args[0], exitCode, where: "host" })
    )
  })
