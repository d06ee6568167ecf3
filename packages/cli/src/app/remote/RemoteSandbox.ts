import { Id, SandboxError } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Duration, Effect, Stream } from "effect"
import { type Connection, present } from "./Connection.ts"

const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content

const time = (limit: Duration.Input | undefined) =>
  limit === undefined ? undefined : Duration.fromInputUnsafe(limit)

/** A command as a request has it. */
const payloadOf = (command: Sandbox.Command, stdin: string | Uint8Array | undefined) => {
  const options = present({
    cwd: command.cwd,
    env: command.env,
    user: command.user,
    stdin: stdin === undefined ? undefined : bytesOf(stdin),
    timeout: time(command.timeouts?.wall),
    idleTimeout: time(command.timeouts?.idle)
  })
  return "argv" in command ? { ...options, argv: command.argv } : { ...options, script: command.script }
}

const unsupported = (operation: SandboxError.Operation, feature: string) =>
  SandboxError.fail(operation, new SandboxError.Unsupported({ feature }))

/**
 * The sandbox of an agent at a server.
 *
 * **Gotchas**
 *
 * Terminals, watches and addresses of ports are not offered.
 */
export const make = (
  { client, failures: { sandbox: failure } }: Connection,
  agentId: Id.AgentId,
  id: Id.SandboxId
): Sandbox.Sandbox => {
  const params = { id: agentId }

  /** Sends the input of a command as it comes, and its end. A command that has ended needs no more of it. */
  const upload = (name: string, input: Stream.Stream<Uint8Array>) => {
    const send = (payload: Uint8Array, end: "true" | "false") =>
      client.sandbox.input({ params: { ...params, input: name }, query: { end }, payload })
    return Stream.runForEach(input, (bytes) => send(bytes, "false")).pipe(
      Effect.andThen(send(new Uint8Array(), "true")),
      Effect.catch((error) => Effect.logDebug("The input of a command could not be sent", error))
    )
  }

  const spawn: Sandbox.Sandbox["spawn"] = (command, input) =>
    Stream.scoped(
      Stream.unwrap(
        Effect.gen(function* () {
          if (input === undefined) {
            return yield* client.sandbox.exec({ params, payload: payloadOf(command, command.stdin) })
          }
          const name = yield* Id.nextToken
          const events = yield* client.sandbox.exec({
            params,
            payload: { ...payloadOf(command, undefined), input: name }
          })
          return Stream.tap(events, ({ _tag }) =>
            _tag === "Started" ? Effect.forkScoped(upload(name, input)) : Effect.void
          )
        })
      )
    ).pipe(Stream.mapError(failure("spawn")))

  const read: Sandbox.SandboxFiles["read"] = (path) =>
    Effect.mapError(client.sandbox.read({ params, query: { path } }), failure("read"))

  return {
    id,
    exec: (command) =>
      Stream.runFold(
        spawn(command),
        (): Sandbox.ExecResult => ({ exitCode: -1, stdout: "", stderr: "" }),
        (result, event) =>
          event._tag === "Stdout"
            ? { ...result, stdout: result.stdout + event.text }
            : event._tag === "Stderr"
              ? { ...result, stderr: result.stderr + event.text }
              : event._tag === "Exit"
                ? { ...result, exitCode: event.exitCode }
                : result
      ),
    spawn,
    terminal: () => Effect.fail(unsupported("terminal", "A terminal")),
    files: {
      read,
      readString: (path) => Effect.map(read(path), (bytes) => new TextDecoder().decode(bytes)),
      stream: (path) => Stream.fromEffect(read(path)),
      write: (path, content) =>
        Effect.mapError(
          client.sandbox.write({ params, query: { path }, payload: bytesOf(content) }),
          failure("write")
        ),
      list: (path) =>
        Effect.mapError(client.sandbox.listFiles({ params, query: { path } }), failure("listFiles")),
      stat: (path) => Effect.mapError(client.sandbox.stat({ params, query: { path } }), failure("stat")),
      remove: (path) =>
        Effect.mapError(client.sandbox.remove({ params, query: { path } }), failure("remove")),
      rename: (from, to) =>
        Effect.mapError(client.sandbox.rename({ params, payload: { from, to } }), failure("rename")),
      makeDir: (path) =>
        Effect.mapError(client.sandbox.makeDir({ params, payload: { path } }), failure("makeDir")),
      prepare: () => Effect.fail(unsupported("write", "Preparing a new sandbox")),
      watch: () => Stream.fail(unsupported("watch", "Watching files"))
    },
    host: () => Effect.fail(unsupported("host", "The address of a port"))
  }
}
