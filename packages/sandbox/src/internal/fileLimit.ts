/** Limits how much of a file is read. A file in a sandbox may be a device without an end, or grow while it is read. */
import { type Id, SandboxError } from "@remote-agent/domain"
import { Effect, Stream } from "effect"

interface Limit {
  readonly sandboxId: Id.SandboxId
  readonly path: string
  /** No limit when absent. */
  readonly limitBytes: number | undefined
}

/** Fails with `FileTooLarge` beyond the limit. */
export const bounded = (
  pieces: Stream.Stream<Uint8Array, SandboxError.SandboxError>,
  { limitBytes, path, sandboxId }: Limit
): Stream.Stream<Uint8Array, SandboxError.SandboxError> =>
  limitBytes === undefined
    ? pieces
    : Stream.suspend(() => {
        let size = 0
        return Stream.mapEffect(pieces, (piece) => {
          size += piece.length
          return size <= limitBytes
            ? Effect.succeed(piece)
            : Effect.fail(
                SandboxError.fail("read", new SandboxError.FileTooLarge({ path, limitBytes }), sandboxId)
              )
        })
      })

/** The whole content of a file. */
export const collectFile = (
  pieces: Stream.Stream<Uint8Array, SandboxError.SandboxError>
): Effect.Effect<Uint8Array, SandboxError.SandboxError> =>
  Effect.map(Stream.runCollect(pieces), (all) => {
    const [only] = all
    return only !== undefined && all.length === 1 ? only : new Uint8Array(Buffer.concat(all))
  })
