/** Hands a sandbox a credential that can be used once and only for a while. */
import { GitError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Deferred, Duration, Effect, Stream } from "effect"
import { type WorkTree, run, sandboxFailed } from "./internal/run.ts"
import { serveCredential, setting } from "./internal/scripts.ts"
import { answerOf, type Credential } from "./HostGit.ts"

/** Where the credential waits: a name that needs no quoting anywhere. */
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

/** A setting of git: its name and value. It holds no secret. */
interface Setting {
  readonly name: string
  readonly value: string
}

/**
 * For as long as the scope is open, and at most for `ttl`, the first git in the sandbox that asks for credentials of
 * the server gets them, when it has the setting that this gives; the next one gets none.
 *
 * The token reaches the sandbox as the content of a file, never in a command, its environment or its input, which
 * providers may log. It is in that file, in a folder of the user alone, until a program there has read it, an
 * instant later; from then on it is in the memory of that program, which gives it away through a FIFO and ends.
 */
export const grant = Effect.fnUntraced(function* (
  { sandbox }: WorkTree,
  credential: Credential,
  ttl: Duration.Input
) {
  const { folder } = yield* Effect.acquireRelease(
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
    ),
    (made) => removeFolder(sandbox, made.folder)
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
  yield* sandbox.spawn({ argv: ["sh", "-c", serveCredential, "git", folder, String(seconds)] }).pipe(
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

/** {@link grant}, with the setting in the configuration of the repository for programs of the sandbox. */
export const install = Effect.fnUntraced(function* (
  place: WorkTree,
  credential: Credential,
  ttl: Duration.Input
) {
  const { name, value } = yield* grant(place, credential, ttl)
  const set = (to: string) =>
    run(operation, place, { script: setting, args: [name, to], command: "config" }, "1 minute")
  yield* Effect.acquireRelease(set(value), () =>
    Effect.catch(set(""), (error) => Effect.logWarning("A setting is left in the repository", error))
  )
})
