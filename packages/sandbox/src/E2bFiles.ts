import { Id, SandboxError } from "@remote-agent/domain"
import type * as Sdk from "e2b"
import { Effect } from "effect"
import type { E2bCalls } from "./E2bCalls.ts"
import type { FileInfo, SandboxFiles } from "./Sandbox.ts"

const types: Readonly<Record<string, FileInfo["type"]>> = { file: "file", dir: "directory" }

const fileInfo = (entry: Sdk.EntryInfo): FileInfo => ({
  path: entry.path,
  name: entry.name,
  type: entry.symlinkTarget === undefined ? (types[entry.type ?? ""] ?? "other") : "symlink",
  size: entry.size
})

const decoder = new TextDecoder()

/** A buffer of its own, as the SDK wants it; a view may be a part of a larger one. */
const body = (content: string | Uint8Array): string | ArrayBuffer =>
  typeof content === "string" ? content : new Uint8Array(content).buffer

/**
 * Uploads go out as they are. As a multipart form, which is the SDK's default, one that is cut off makes Node's fetch
 * throw outside of every promise (`ERR_INVALID_STATE`), which ends the process without cleaning up.
 */
export const upload = { useOctetStream: true } as const

/** The files of one E2B sandbox. */
export const make = (calls: E2bCalls, sandbox: Sdk.Sandbox, sandboxId: Id.SandboxId): SandboxFiles => {
  const { files } = sandbox
  const ask = <A>(
    operation: SandboxError.Operation,
    path: string,
    evaluate: (signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A, SandboxError.SandboxError> => calls.call({ operation, sandboxId, path }, evaluate)

  const read = Effect.fn("Sandbox.files.read")((path: string) =>
    ask("read", path, (signal) => files.read(path, { format: "bytes", signal }))
  )

  const write = Effect.fn("Sandbox.files.write")(function* (path: string, content: string | Uint8Array) {
    // The provider writes in place: a reader in between would see half a file.
    const part = `${path}.${yield* Id.nextToken}.part`
    yield* ask("write", part, (signal) => files.write(part, body(content), { ...upload, signal }))
    yield* calls.attempt({ operation: "write", sandboxId, path }, (signal) =>
      files.rename(part, path, { signal })
    )
  })

  const list = Effect.fn("Sandbox.files.list")((path: string) =>
    Effect.map(
      ask("listFiles", path, (signal) => files.list(path, { signal })),
      (entries) => entries.map(fileInfo)
    )
  )

  const stat = Effect.fn("Sandbox.files.stat")((path: string) =>
    Effect.map(
      ask("stat", path, (signal) => files.getInfo(path, { signal })),
      fileInfo
    )
  )

  const remove = Effect.fn("Sandbox.files.remove")((path: string) =>
    ask("remove", path, (signal) => files.remove(path, { signal })).pipe(
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
    Effect.asVoid(ask("makeDir", path, (signal) => files.makeDir(path, { signal })))
  )

  return {
    read,
    readString: (path) => Effect.map(read(path), (bytes) => decoder.decode(bytes)),
    write,
    list,
    stat,
    remove,
    rename,
    makeDir
  }
}
