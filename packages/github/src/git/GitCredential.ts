/** Gives a sandbox a credential that can be used once and for a limited time. */
import { GitError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Deferred, Duration, Effect, Stream } from "effect"
import { answerOf, type Credential } from "./HostGit.ts"
import { run, sandboxFailed } from "./internal/run.ts"
import { readScript } from "./scripts/readScript.ts"
import type { WorkTree } from "./Workspace.ts"

/** A name that needs no quoting in a shell or in the configuration of git. */
const folderName = /^\/tmp\/remote-agent-[A-Za-z0-9]{6,}$/

const operation = "credential"

const removeFolder = (sandbox: Sandbox.Sandbox, folder: string) =>
  sandbox.files.remove(folder).pipe(
    Effect.timeoutOption("10 seconds"),
    Effect.catchReason("SandboxError", "Gone", () => Effect.void),
    Effect.catch((error) =>
      Effect.logError("A credential may be left in the sandbox until it expires", error)
    )
  )

const makeFolder = (sandbox: Sandbox.Sandbox) =>
  sandbox.exec({ argv: ["mktemp", "-d", "/tmp/remote-agent-XXXXXXXX"] }).pipe(
    sandboxFailed(operation),
    Effect.map(({ exitCode, stdout }) => ({ exitCode, folder: stdout.trim() })),
    Effect.filterOrFail(
      (made) => made.exitCode === 0 && folderName.test(made.folder),
      ({ exitCode }) =>
        GitError.fail(
          operation,
          new GitError.CommandFailed({ command: "mktemp", exitCode, where: "sandbox" })
        )
    )
  )

/** A setting of git. It contains no secret. */
interface Setting {
  readonly name: string
  readonly value: string
}

/**
 * Offers the credential to the first git in the sandbox that uses the returned setting and asks for the server's
 * credential, until the scope closes or the ttl ends. Later ones get none.
 *
 * **Details**
 *
 * The token reaches the sandbox as the content of a file, never in a command, its environment or its input, which
 * providers may log. A program in the sandbox reads the file at once, removes it, and passes the token on through a
 * FIFO that only its user can open.
 *
 * @category constructors
 * @since 0.1.0
 */
export const grant = Effect.fnUntraced(function* (
  { sandbox }: WorkTree,
  credential: Credential,
  ttl: Duration.Input
) {
  const { folder } = yield* Effect.acquireRelease(makeFolder(sandbox), (made) =>
    removeFolder(sandbox, made.folder)
  )
  yield* sandbox.files.write(`${folder}/token`, answerOf(credential)).pipe(sandboxFailed(operation))
  const seconds = Math.max(1, Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(ttl))))
  const ready = yield* Deferred.make<void, GitError.GitError>()
  const ended = (exitCode: number) =>
    Deferred.fail(
      ready,
      GitError.fail(
        operation,
        new GitError.CommandFailed({ command: "credential", exitCode, where: "sandbox" })
      )
    )
  const argv = ["sh", "-c", readScript("serve-credential.sh"), "git", folder, String(seconds)] as const
  yield* sandbox.spawn({ argv }).pipe(
    Stream.runForEach((event) =>
      event._tag === "Stdout"
        ? Deferred.succeed(ready, undefined)
        : event._tag === "Exit"
          ? ended(event.exitCode)
          : Effect.void
    ),
    sandboxFailed(operation),
    Effect.catch((error) => Deferred.fail(ready, error)),
    Effect.forkScoped
  )
  yield* Deferred.await(ready)
  return {
    name: `credential.${credential.origin}.helper`,
    value: `!f() { test "$1" = get && timeout 10 cat ${folder}/pipe; }; f`
  } satisfies Setting
})

/**
 * {@link grant}, with the setting in the configuration of the repository, so that any program in the sandbox finds it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const install = Effect.fnUntraced(function* (
  place: WorkTree,
  credential: Credential,
  ttl: Duration.Input
) {
  const { name, value } = yield* grant(place, credential, ttl)
  const set = (to: string) =>
    run(operation, place, { script: "setting.sh", args: [name, to], command: "config" }, "1 minute")
  yield* Effect.acquireRelease(set(value), () =>
    Effect.catch(set(""), (error) => Effect.logWarning("A setting is left in the repository", error))
  )
})
