import { Effect, Schema } from "effect"
import { Budget } from "../query/Budget.ts"
import { AgentId, PoolName, SandboxId } from "../Id.ts"
import { AgentStatus } from "./AgentLifecycle.ts"
import { SessionTotal, TokenUsage, zero } from "../query/TokenUsage.ts"

/** What a person may call an agent: letters, digits, `.`, `_` and `-`, at most 64. Not unique. */
export const AgentName = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][\w.-]{0,63}$/)).pipe(
  Schema.brand("AgentName")
)
export type AgentName = typeof AgentName.Type

/** The key of a label: letters, digits, `.`, `_`, `-` and `/`, at most 63. */
export const LabelKey = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][\w./-]{0,62}$/))

/** The value of a label: text without control characters, at most 256. */
export const LabelValue = Schema.String.check(Schema.isPattern(/^[^\p{Cc}\p{Cs}]{0,256}$/u))

const isLabelKey = Schema.is(LabelKey)

/** What people say of an agent, to find it by; none when absent. */
export const Labels = Schema.Record(Schema.String, LabelValue).pipe(
  // As the schema of its keys, it would not look at those of another form.
  Schema.check(
    Schema.makeFilter((labels: Readonly<Record<string, string>>) => Object.keys(labels).every(isLabelKey), {
      expected: "keys of letters, digits, `.`, `_`, `-` and `/`, at most 63"
    })
  ),
  Schema.withConstructorDefault(Effect.succeed({})),
  Schema.withDecodingDefaultKey(Effect.succeed({}))
)

/** The repository that an agent works on. */
export class Repository extends Schema.Class<Repository>("@remote-agent/domain/Repository")({
  /** Without credentials, which would be kept with the agent. */
  url: Schema.String.check(
    Schema.isPattern(/^(?!https?:\/\/[^/?#]*@|[a-z][a-z0-9+.-]*:\/\/[^/?#@]*:[^/?#@]*@)/i)
  ),
  /** A branch, tag or commit; the repository's own default when absent. */
  ref: Schema.optionalKey(Schema.String),
  /** What was checked out last. */
  commit: Schema.optionalKey(Schema.String)
}) {}

/** The sandbox that an agent is bound to. */
export class Binding extends Schema.Class<Binding>("@remote-agent/domain/Binding")({
  sandboxId: SandboxId,
  provider: Schema.String,
  /** The home folder in the sandbox, as the sandbox itself sees it. */
  home: Schema.String
}) {}

/**
 * A named worker. It outlives its sandbox; `binding` is present from the moment a sandbox was created for it until
 * that sandbox is known to be gone.
 */
export class Agent extends Schema.Class<Agent>("@remote-agent/domain/Agent")({
  id: AgentId,
  name: AgentName,
  profile: Schema.String,
  status: AgentStatus,
  /** Why it is in its status, in one line, where that needs saying. */
  detail: Schema.optionalKey(Schema.String),
  binding: Schema.optionalKey(Binding),
  labels: Labels,
  /** Whether its sandbox pauses, and does not end, when nobody uses it. */
  persistent: Schema.Boolean.pipe(
    Schema.withConstructorDefault(Effect.succeed(false)),
    Schema.withDecodingDefaultKey(Effect.succeed(false))
  ),
  /** The pool that it works for. */
  pool: Schema.optionalKey(PoolName),
  /** How long its sandbox lives when nobody extends its life. */
  ttl: Schema.optionalKey(Schema.Duration),
  allowInternetAccess: Schema.optionalKey(Schema.Boolean),
  repository: Schema.optionalKey(Repository),
  budget: Schema.optionalKey(Budget),
  /** The variables of its sandbox whose values are struck out of what it prints: their names, never the values. */
  secretVariables: Schema.optionalKey(Schema.Array(Schema.String)),
  /**
   * What all its queries have used. The store counts it as they end, whatever revision the agent has; a write does
   * not change it.
   */
  usage: TokenUsage.pipe(
    Schema.withConstructorDefault(Effect.succeed(zero)),
    Schema.withDecodingDefaultKey(Effect.succeed({ inputTokens: 0, outputTokens: 0, wallMillis: 0 }))
  ),
  /** The agent program's own session ids, by our names of the sessions. */
  sessions: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  /** By those ids what their sessions have used in all, for programs that count so. */
  sessionTotals: Schema.optionalKey(Schema.Record(Schema.String, SessionTotal)),
  /** Counts the writes; a write that names an older one is refused. */
  revision: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  queryCount: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  createdAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString,
  lastQueryAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  /** When somebody began to terminate it, as long as that is not done: if its sandbox is gone then, it was meant to. */
  endRequestedAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
}) {}
