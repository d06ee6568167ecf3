import { Id, SandboxError } from "@remote-agent/domain"
import type * as Sdk from "e2b"
import { Duration, Effect, Stream } from "effect"
import { bounded, collectFile } from "../../internal/fileLimit.ts"
import { OutputChannel } from "../../internal/output.ts"
import {
  defaultReadLimit,
  type FileEvent,
  type FileInfo,
  type SandboxFiles,
  type WatchOptions
} from "../../Sandbox.ts"
import type { E2bCalls } from "./calls.ts"
import { Rejected } from "./errors.ts"

const types: Readonly<Record<string, FileInfo["type"]>> = { file: "file", dir: "directory" }

const fileInfo = (entry: Sdk.EntryInfo): FileInfo => ({
  path: entry.path,
  name: entry.name,
  type: entry.symlinkTarget === undefined ? (types[entry.type ?? ""] ?? "other") : "symlink",
  size: entry.size
})

const changes: Readonly<Record<`${Sdk.FilesystemEventType}`, FileEvent["_tag"]>> = {
  create: "Created",
  write: "Written",
  remove: "Removed",
  rename: "Renamed",
  chmod: "ModeChanged"
}

/** How many events may wait for a slow reader before the provider has to hold them back. */
const mostWaiting = 10_000

const decoder = new TextDecoder()

/** The content in a buffer of its own, as the SDK requires; a view may be a part of a larger buffer. */
const body = (content: string | Uint8Array): string | ArrayBuffer =>
  typeof content === "string" ? content : new Uint8Array(content).buffer

/**
 * Uploads are sent as plain bytes. In the SDK's default, a multipart form, an interrupted upload makes Node's fetch throw
 * outside of every promise (`ERR_INVALID_STATE`), and the process dies without any cleanup.
 */
export const upload = { useOctetStream: true } as const

/**
 * The slowest upload that is accepted, in bytes per second. The time limit of an upload grows with its size, because the
 * SDK does not tell how far an upload is.
 */
const slowestUpload = 32 * 1024

/** How long the removal of an unfinished file may take. */
const removeLimit = "10 seconds"

/** Starts to watch a folder. The provider stops when the scope closes. */
const watchFolder = Effect.fnUntraced(function* (
  calls: E2bCalls,
  sandbox: Sdk.Sandbox,
  path: string,
  { recursive = false }: WatchOptions
) {
  const sandboxId = Id.SandboxId.make(sandbox.sandboxId)
  const channel = new OutputChannel<FileEvent>(mostWaiting, () => 1)
  const start = calls.call({ operation: "watch", sandboxId, path }, (signal) =>
    sandbox.files.watchDir(path, ({ name, type }) => channel.push({ _tag: changes[type], name }), {
      recursive,
      signal,
      // The default of the SDK is one minute.
      timeoutMs: 0,
      onExit: (cause) => (cause === undefined ? channel.end() : channel.fail(cause))
    })
  )
  yield* Effect.acquireRelease(start, (handle) => Effect.promise(() => handle.stop()))
  const explain = (cause: unknown) => calls.explain(cause, { operation: "watch", sandboxId, path })
  const stopped = Effect.flatMap(calls.diagnose(sandboxId), (reason) =>
    SandboxError.fail("watch", reason, sandboxId)
  )
  return Stream.fromAsyncIterable(channel, (cause) => new Rejected({ cause })).pipe(
    Stream.flattenIterable,
    Stream.catch(({ cause }) => Stream.fromEffect(explain(cause))),
    // The provider ends the stream only when the sandbox stops.
    Stream.concat(Stream.fromEffect(stopped))
  )
})

/** The files of one E2B sandbox. */
export const make = (
  calls: E2bCalls,
  sandbox: Sdk.Sandbox,
  sandboxId: Id.SandboxId
): Omit<SandboxFiles, "prepare"> => {
  const { files } = sandbox
  const request = <A>(
    operation: SandboxError.Operation,
    path: string,
    evaluate: (signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A, SandboxError.SandboxError> => calls.call({ operation, sandboxId, path }, evaluate)

  /** The pieces of a file. The SDK limits the time to the first byte and the silence between two. */
  const pieces = (path: string): Stream.Stream<Uint8Array, SandboxError.SandboxError> =>
    Stream.unwrap(
      Effect.map(
        calls.attempt({ operation: "read", sandboxId, path }, (signal) =>
          files.read(path, { format: "stream", signal })
        ),
        // An empty file has no stream.
        (found) =>
          typeof found !== "object" || found === null
            ? Stream.empty
            : Stream.fromReadableStream({
                evaluate: () => found,
                onError: (cause) => new Rejected({ cause })
              }).pipe(
                Stream.catch(({ cause }) =>
                  Stream.fromEffect(calls.explain(cause, { operation: "read", sandboxId, path }))
                )
              )
      )
    )

  const read = Effect.fn("Sandbox.files.read")(
    (path: string, { limitBytes = defaultReadLimit }: { readonly limitBytes?: number | undefined } = {}) =>
      calls.retrying(collectFile(bounded(pieces(path), { sandboxId, path, limitBytes })))
  )

  const stream: SandboxFiles["stream"] = (path, { limitBytes } = {}) =>
    Stream.withSpan(bounded(pieces(path), { sandboxId, path, limitBytes }), "Sandbox.files.stream")

  const removePart = (part: string) =>
    calls
      .attempt({ operation: "remove", sandboxId, path: part }, (signal) => files.remove(part, { signal }))
      .pipe(
        Effect.timeout(removeLimit),
        Effect.catchReasons("SandboxError", {
          FileNotFound: () => Effect.void,
          Gone: () => Effect.void,
          Expired: () => Effect.void
        }),
        Effect.catch((error) => Effect.logWarning("A part of a file may be left in the sandbox", error))
      )

  const write = Effect.fn("Sandbox.files.write")(function* (path: string, content: string | Uint8Array) {
    // The provider writes in place, so a reader could see half of the file.
    const part = `${path}.${yield* Id.nextToken}.part`
    const bytes = body(content)
    const length = typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.byteLength
    const requestTimeoutMs =
      Duration.toMillis(calls.requestTimeout) + Math.ceil((length / slowestUpload) * 1000)
    yield* request("write", part, (signal) =>
      files.write(part, bytes, { ...upload, signal, requestTimeoutMs })
    ).pipe(
      Effect.andThen(
        calls.attempt({ operation: "write", sandboxId, path }, (signal) =>
          files.rename(part, path, { signal })
        )
      ),
      // A disk that is full keeps a part of the file, which would take the space that is left.
      Effect.onError(() => removePart(part))
    )
  })

  const list = Effect.fn("Sandbox.files.list")((path: string) =>
    Effect.map(
      request("listFiles", path, (signal) => files.list(path, { signal })),
      (entries) => entries.map(fileInfo)
    )
  )

  const stat = Effect.fn("Sandbox.files.stat")((path: string) =>
    Effect.map(
      request("stat", path, (signal) => files.getInfo(path, { signal })),
      fileInfo
    )
  )

  const remove = Effect.fn("Sandbox.files.remove")((path: string) =>
    request("remove", path, (signal) => files.remove(path, { signal })).pipe(
      Effect.catchReason("SandboxError", "FileNotFound", () => Effect.void)
    )
  )

  const rename = Effect.fn("Sandbox.files.rename")((from: string, to: string) =>
    Effect.asVoid(
      calls.attempt({ operation: "rename", sandboxId, path: from }, (signal) =>
        files.rename(from, to, { signal })
      )
    )
  )

  const makeDir = Effect.fn("Sandbox.files.makeDir")((path: string) =>
    Effect.asVoid(request("makeDir", path, (signal) => files.makeDir(path, { signal })))
  )

  const watch: SandboxFiles["watch"] = (path, options = {}) =>
    Stream.withSpan(Stream.unwrap(watchFolder(calls, sandbox, path, options)), "Sandbox.files.watch")

  return {
    read,
    readString: (path, options) => Effect.map(read(path, options), (bytes) => decoder.decode(bytes)),
    stream,
    write,
    list,
    stat,
    remove,
    rename,
    makeDir,
    watch
  }
}
