import { Effect, Schema } from "effect"
import { AgentId, PoolName, SandboxId } from "../Id.ts"
import { Budget } from "../query/Budget.ts"
import { SessionTotal, TokenUsage, zero } from "../query/TokenUsage.ts"
import { AgentStatus } from "./AgentLifecycle.ts"

/**
 * The name that a person gives an agent: letters, digits, `.`, `_` and `-`, at most 64.
 *
 * @category models
 * @since 0.1.0
 */
export const AgentName = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][\w.-]{0,63}$/)).pipe(
  Schema.brand("AgentName")
)
export type AgentName = typeof AgentName.Type

/**
 * The key of a label: letters, digits, `.`, `_`, `-` and `/`, at most 63.
 *
 * @category models
 * @since 0.1.0
 */
export const LabelKey = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][\w./-]{0,62}$/))

/**
 * The value of a label: text without control characters, at most 256.
 *
 * @category models
 * @since 0.1.0
 */
export const LabelValue = Schema.String.check(Schema.isPattern(/^[^\p{Cc}\p{Cs}]{0,256}$/u))

const isLabelKey = Schema.is(LabelKey)

/**
 * Labels to find agents by. Absent labels decode as none.
 *
 * @category models
 * @since 0.1.0
 */
export const Labels = Schema.Record(Schema.String, LabelValue).pipe(
  // A key schema would skip the keys that do not match it instead of refusing them.
  Schema.check(
    Schema.makeFilter((labels: Readonly<Record<string, string>>) => Object.keys(labels).every(isLabelKey), {
      expected: "keys of letters, digits, `.`, `_`, `-` and `/`, at most 63"
    })
  ),
  Schema.withConstructorDefault(Effect.succeed({})),
  Schema.withDecodingDefaultKey(Effect.succeed({}))
)

/**
 * The host's record of a branch. It never comes from git in the sandbox.
 *
 * @category models
 * @since 0.1.0
 */
export class Branch extends Schema.Class<Branch>("@remote-agent/domain/Branch")({
  name: Schema.String,
  /** The commit of the server's branch when the host last moved commits to or from it. */
  commit: Schema.optionalKey(Schema.String),
  /** Whether the host created it for the agent. */
  created: Schema.optionalKey(Schema.Boolean),
  /** Whether the host pushed it for the agent. */
  pushed: Schema.optionalKey(Schema.Boolean)
}) {}

/**
 * The repository that an agent works on.
 *
 * @category models
 * @since 0.1.0
 */
export class Repository extends Schema.Class<Repository>("@remote-agent/domain/Repository")({
  /** An address without credentials, because it is stored with the agent. */
  url: Schema.String.check(
    Schema.isPattern(/^(?!https?:\/\/[^/?#]*@|[a-z][a-z0-9+.-]*:\/\/[^/?#@]*:[^/?#@]*@)/i)
  ),
  /** A branch, tag or commit; the repository's default branch when absent. */
  ref: Schema.optionalKey(Schema.String),
  /** `ignore` leaves the folders of submodules empty; a repository with submodules is refused when absent. */
  submodules: Schema.optionalKey(Schema.Literal("ignore")),
  /** `pointers` leaves the pointers of Git LFS in place of the files; a repository with such files is refused when absent. */
  lfs: Schema.optionalKey(Schema.Literal("pointers")),
  /** The commit that was checked out last. */
  commit: Schema.optionalKey(Schema.String),
  /** The branches that the host has dealt with for the agent, the latest last. */
  branches: Schema.optionalKey(Schema.Array(Branch))
}) {}

/**
 * The sandbox that an agent is bound to.
 *
 * @category models
 * @since 0.1.0
 */
export class Binding extends Schema.Class<Binding>("@remote-agent/domain/Binding")({
  sandboxId: SandboxId,
  provider: Schema.String,
  /** The home folder, as the sandbox sees it. */
  home: Schema.String
}) {}

/**
 * A named worker.
 *
 * **Details**
 *
 * The record of an agent outlives its sandbox. `binding` is present from the creation of its sandbox until that sandbox
 * is known to be gone.
 *
 * @category models
 * @since 0.1.0
 */
export class Agent extends Schema.Class<Agent>("@remote-agent/domain/Agent")({
  id: AgentId,
  name: AgentName,
  profile: Schema.String,
  status: AgentStatus,
  /** One line that explains the status, where it needs explaining. */
  detail: Schema.optionalKey(Schema.String),
  binding: Schema.optionalKey(Binding),
  labels: Labels,
  /** Whether its sandbox is paused, rather than terminated, when its ttl ends. */
  persistent: Schema.Boolean.pipe(
    Schema.withConstructorDefault(Effect.succeed(false)),
    Schema.withDecodingDefaultKey(Effect.succeed(false))
  ),
  /** The pool that the agent belongs to. */
  pool: Schema.optionalKey(PoolName),
  /** The ttl of its sandbox. */
  ttl: Schema.optionalKey(Schema.Duration),
  allowInternetAccess: Schema.optionalKey(Schema.Boolean),
  repository: Schema.optionalKey(Repository),
  budget: Schema.optionalKey(Budget),
  /** The names of the variables of its sandbox whose values are redacted from its output. The values are not stored. */
  secretVariables: Schema.optionalKey(Schema.Array(Schema.String)),
  /**
   * The usage of all its queries. The store adds to it when a query ends, independently of the revision; a write of the
   * agent does not change it.
   */
  usage: TokenUsage.pipe(
    Schema.withConstructorDefault(Effect.succeed(zero)),
    Schema.withDecodingDefaultKey(Effect.succeed({ inputTokens: 0, outputTokens: 0, wallMillis: 0 }))
  ),
  /** The agent program's own session ids, by the names of sessions. */
  sessions: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  /** What each session has used in all, by those ids, for programs that count per session. */
  sessionTotals: Schema.optionalKey(Schema.Record(Schema.String, SessionTotal)),
  /** The number of writes. A write based on an older revision is refused. */
  revision: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  queryCount: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  createdAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString,
  lastQueryAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  /** When its termination was requested. If its sandbox is gone while this is set, that was intended. */
  endRequestedAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
}) {}
