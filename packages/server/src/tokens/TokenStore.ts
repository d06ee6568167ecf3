/**
 * Tokens of the HTTP API: created, verified, revoked. Only hashes are kept.
 *
 * @since 0.2.0
 */
import { Authorization, type ServerApi } from "@remote-agent/api"
import {
  Clock,
  Context,
  DateTime,
  Duration,
  Effect,
  FileSystem,
  Layer,
  Option,
  Path,
  Redacted,
  Ref,
  Schema,
  Semaphore,
  Struct
} from "effect"
import * as Crypto from "node:crypto"

/**
 * The tokens cannot be read or written.
 *
 * @category errors
 * @since 0.2.0
 */
export class TokenStoreError extends Schema.TaggedError<TokenStoreError>()("TokenStoreError", {
  operation: Schema.Literals(["read", "write"]),
  file: Schema.String
}) {
  override get message() {
    return this.operation === "read"
      ? `The tokens in ${this.file} cannot be read. Restore the file, or remove it to start without tokens.`
      : `The tokens cannot be written to ${this.file}. Check that its folder exists and is yours.`
  }
}

/**
 * How a token is created.
 *
 * @category models
 * @since 0.2.0
 */
export interface TokenSpec {
  readonly name: string
  readonly scope: Authorization.Scope
  /** How long it is valid. For ever when absent. */
  readonly ttl?: Duration.Duration | undefined
}

/**
 * A token with its secret, which is shown once.
 *
 * @category models
 * @since 0.2.0
 */
export interface Created {
  readonly record: ServerApi.TokenRecord
  readonly token: Redacted.Redacted
}

/**
 * The tokens of a server.
 *
 * @category services
 * @since 0.2.0
 */
export class TokenStore extends Context.Service<
  TokenStore,
  {
    readonly create: (spec: TokenSpec) => Effect.Effect<Created, TokenStoreError>
    /** The tokens that are valid, oldest first. */
    readonly list: Effect.Effect<ReadonlyArray<ServerApi.TokenRecord>, TokenStoreError>
    /** Succeeds with whether there was such a token. */
    readonly revoke: (id: string) => Effect.Effect<boolean, TokenStoreError>
    /** The record of a secret, unless it is unknown, revoked or expired. */
    readonly verify: (
      token: Redacted.Redacted
    ) => Effect.Effect<Option.Option<ServerApi.TokenRecord>, TokenStoreError>
  }
>()("@remote-agent/server/TokenStore") {}

const Stored = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  scope: Authorization.Scope,
  createdAt: Schema.DateTimeUtcFromString,
  expiresAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  /** SHA-256 of the secret. A secret has 256 random bits, so that no slow hash is needed. */
  hash: Schema.String
})
type Stored = typeof Stored.Type

/** Reads and replaces all tokens. */
interface Backing {
  readonly read: Effect.Effect<ReadonlyArray<Stored>, TokenStoreError>
  readonly write: (all: ReadonlyArray<Stored>) => Effect.Effect<void, TokenStoreError>
}

const hashOf = (token: Redacted.Redacted): string =>
  Crypto.createHash("sha256").update(Redacted.value(token)).digest("hex")

const random = (bytes: number) => Effect.sync(() => Crypto.randomBytes(bytes).toString("base64url"))

const isValid =
  (now: number) =>
  ({ expiresAt }: Stored) =>
    expiresAt === undefined || DateTime.toEpochMillis(expiresAt) > now

const recordOf = (stored: Stored): ServerApi.TokenRecord => Struct.omit(stored, ["hash"])

const make = Effect.fnUntraced(function* ({ read, write }: Backing) {
  const writing = yield* Semaphore.make(1)
  const valid = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.map(read, (all) => all.filter(isValid(now)))
  )

  const create = Effect.fn("TokenStore.create")(function* ({ name, scope, ttl }: TokenSpec) {
    const createdAt = yield* DateTime.now
    const token = Redacted.make(`ra_${yield* random(32)}`)
    const stored: Stored = {
      id: `tok_${yield* random(9)}`,
      name,
      scope,
      createdAt,
      ...(ttl === undefined ? {} : { expiresAt: DateTime.addDuration(createdAt, ttl) }),
      hash: hashOf(token)
    }
    yield* writing.withPermit(Effect.flatMap(valid, (all) => write([...all, stored])))
    return { record: recordOf(stored), token }
  })

  const revoke = Effect.fn("TokenStore.revoke")((id: string) =>
    writing.withPermit(
      Effect.gen(function* () {
        const all = yield* valid
        const rest = all.filter((one) => one.id !== id)
        if (rest.length === all.length) return false
        yield* write(rest)
        return true
      })
    )
  )

  const verify = Effect.fn("TokenStore.verify")((token: Redacted.Redacted) => {
    const hash = Buffer.from(hashOf(token))
    return Effect.map(valid, (all) =>
      // In constant time for each, so that the time tells nothing about a hash.
      Option.map(
        Option.fromUndefinedOr(all.find((one) => Crypto.timingSafeEqual(Buffer.from(one.hash), hash))),
        recordOf
      )
    )
  })

  return TokenStore.of({ create, list: Effect.map(valid, (all) => all.map(recordOf)), revoke, verify })
})

/**
 * Tokens in memory, for tests.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory: Layer.Layer<TokenStore> = Layer.effect(
  TokenStore,
  Effect.flatMap(Ref.make<ReadonlyArray<Stored>>([]), (all) =>
    make({ read: Ref.get(all), write: (next) => Ref.set(all, next) })
  )
)

const File = Schema.fromJsonString(
  Schema.Struct({ version: Schema.Literal(1), tokens: Schema.Array(Stored) })
)
const decodeFile = Schema.decodeEffect(File)
const encodeFile = Schema.encodeEffect(File)

/**
 * Tokens in a file that only its owner can read.
 *
 * **Details**
 *
 * The file is read for each request, so that a token that another process revoked stops working at once. It is replaced
 * as a whole, so that a crash leaves the old file or the new one.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerFile = (file: string): Layer.Layer<TokenStore, never, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    TokenStore,
    Effect.gen(function* () {
      const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
      const failed = (operation: TokenStoreError["operation"]) => () =>
        new TokenStoreError({ operation, file })
      const read = fs.readFileString(file).pipe(
        Effect.flatMap(decodeFile),
        Effect.map(({ tokens }) => tokens),
        Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed<ReadonlyArray<Stored>>([])),
        Effect.mapError(failed("read"))
      )
      const write = Effect.fnUntraced(
        function* (tokens: ReadonlyArray<Stored>) {
          const text = yield* encodeFile({ version: 1, tokens })
          const part = `${file}.${yield* random(6)}`
          yield* fs.makeDirectory(path.dirname(file), { recursive: true, mode: 0o700 })
          yield* fs.writeFileString(part, text, { mode: 0o600, flag: "wx" })
          yield* fs.rename(part, file)
        },
        Effect.mapError(failed("write"))
      )
      return yield* make({ read, write })
    })
  )
