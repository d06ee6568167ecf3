import { Effect, Option, Schema } from "effect"
import type * as Model from "../api/model.ts"
import * as WebhookRecord from "./webhookRecord.ts"

/**
 * The payload is not JSON, or is not the payload of its event.
 *
 * @category errors
 * @since 0.1.0
 */
export class Malformed extends Schema.TaggedError<Malformed>()("Malformed", { event: Schema.String }) {
  override get message() {
    return `the payload of a webhook (${this.event}) is not one that GitHub sends. Check that the webhook belongs to GitHub.`
  }

  /** Always false: the same bytes give the same result. */
  get isRetryable(): boolean {
    return false
  }
}

/**
 * A record of GitHub in a payload. Only the number is certain: a field that the payload lacks, or has in an unknown form,
 * is absent.
 *
 * @category models
 * @since 0.1.0
 */
export type Subject<A extends { readonly number: number }> = Pick<A, "number"> & Partial<Omit<A, "number">>

interface Common {
  readonly repository: Model.Repo
  /** GitHub's id of the repository, which does not change when the repository is renamed or transferred. */
  readonly repositoryId?: number | undefined
  /** The login of the user who caused the event. */
  readonly sender: string
}

/**
 * Commits were pushed, or a branch or tag was created or deleted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Push extends Common {
  readonly _tag: "Push"
  /** Such as `refs/heads/main`. */
  readonly ref: string
  /** The branch; absent for a tag. */
  readonly branch: string | undefined
  /** Whether it is the default branch of the repository. */
  readonly isDefaultBranch: boolean
  /** All zeros when the ref is new. */
  readonly before: string
  /** All zeros when the ref was deleted. */
  readonly after: string
  readonly created: boolean
  readonly deleted: boolean
  readonly forced: boolean
  /** The pushed commits, oldest first. GitHub sends at most 2048. */
  readonly commits: ReadonlyArray<{ readonly id: string; readonly message: string }>
}

/**
 * A pull request changed.
 *
 * @category models
 * @since 0.1.0
 */
export interface PullRequest extends Common {
  readonly _tag: "PullRequest"
  /** Such as `opened`, `synchronize`, `closed`. */
  readonly action: string
  readonly pullRequest: Subject<Model.PullRequest>
}

/**
 * An issue changed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Issues extends Common {
  readonly _tag: "Issues"
  readonly action: string
  readonly issue: Subject<Model.Issue>
}

/**
 * A comment on an issue or a pull request was created, edited or deleted.
 *
 * @category models
 * @since 0.1.0
 */
export interface IssueComment extends Common {
  readonly _tag: "IssueComment"
  readonly action: string
  readonly issue: Subject<Model.Issue>
  readonly isPullRequest: boolean
  readonly comment: Partial<Model.Comment>
}

/**
 * The webhook was created or tested.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ping {
  readonly _tag: "Ping"
  readonly hookId: number | undefined
}

/**
 * Any other event, with its payload unchanged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Other {
  readonly _tag: "Other"
  /** GitHub's name of the event, such as `workflow_run`. */
  readonly name: string
  readonly payload: Schema.Json
}

/**
 * An event of a webhook delivery.
 *
 * @category models
 * @since 0.1.0
 */
export type Event = Push | PullRequest | Issues | IssueComment | Ping | Other

const Name = Schema.optionalKey(Schema.NullOr(Schema.String))

// Required is what is read of every event: the repository.
const Base = {
  repository: Schema.Struct({
    id: Schema.optionalKey(Schema.Unknown),
    name: Schema.String,
    // In a push the owner is a committer, whose login may be missing.
    owner: Schema.Struct({ login: Name, name: Name }),
    default_branch: Schema.optionalKey(Schema.Unknown)
  }),
  sender: Schema.optionalKey(Schema.Unknown)
}

const Numbered = Schema.StructWithRest(Schema.Struct({ number: Schema.Int }), [
  Schema.Record(Schema.String, Schema.Unknown)
])
const Acted = { ...Base, action: Schema.optionalKey(Schema.Unknown) }

const PushPayload = Schema.Struct({
  ...Base,
  ref: Schema.String,
  before: Schema.optionalKey(Schema.Unknown),
  after: Schema.optionalKey(Schema.Unknown),
  created: Schema.optionalKey(Schema.Unknown),
  deleted: Schema.optionalKey(Schema.Unknown),
  forced: Schema.optionalKey(Schema.Unknown),
  commits: Schema.optionalKey(Schema.Unknown)
})

const PullRequestPayload = Schema.Struct({ ...Acted, pull_request: Numbered })
const IssuesPayload = Schema.Struct({ ...Acted, issue: Numbered })
const IssueCommentPayload = Schema.Struct({
  ...Acted,
  issue: Numbered,
  comment: Schema.optionalKey(Schema.Unknown)
})
const PingPayload = Schema.Struct({ hook_id: Schema.optionalKey(Schema.Int) })

const textOf = (value: unknown): string => (typeof value === "string" ? value : "")

const isInt = Schema.is(Schema.Int)

const common = ({ repository: { id, name, owner }, sender }: Schema.Struct<typeof Base>["Type"]): Common => ({
  repository: { owner: owner.login ?? owner.name ?? "", name },
  repositoryId: isInt(id) ? id : undefined,
  sender: WebhookRecord.login(sender)
})

const heads = "refs/heads/"

const Commits = Schema.Array(Schema.Struct({ id: Schema.String, message: Schema.String }))
const readCommits = Schema.decodeUnknownOption(Commits)

const zeros = /^0+$/

const readPush = (payload: typeof PushPayload.Type): Push => {
  const { commits, created, deleted, forced, ref, repository } = payload
  const branch = ref.startsWith(heads) ? ref.slice(heads.length) : undefined
  const [before, after] = [textOf(payload.before), textOf(payload.after)]
  return {
    _tag: "Push",
    ...common(payload),
    ref,
    branch,
    isDefaultBranch: branch !== undefined && branch === repository.default_branch,
    before,
    after,
    created: typeof created === "boolean" ? created : zeros.test(before),
    deleted: typeof deleted === "boolean" ? deleted : zeros.test(after),
    forced: forced === true,
    commits: Option.getOrElse(readCommits(commits), () => [])
  }
}

const parse = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Json))

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** The JSON of a body. Webhooks created by hand may send it as the field `payload` of a form. */
const jsonOf = (body: Uint8Array, contentType: string) =>
  Effect.try({ try: () => utf8.decode(body), catch: () => "no text" }).pipe(
    Effect.map((text) =>
      contentType.startsWith("application/x-www-form-urlencoded")
        ? (new URLSearchParams(text).get("payload") ?? "")
        : text
    ),
    Effect.flatMap((text) => parse(text))
  )

/**
 * Decodes the payload of a verified delivery. `name` is the header `x-github-event`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const decode = (
  name: string,
  body: Uint8Array,
  contentType = "application/json"
): Effect.Effect<Event, Malformed> =>
  Effect.gen(function* (): Effect.fn.Return<Event, string | Schema.SchemaError> {
    const payload = yield* jsonOf(body, contentType)
    switch (name) {
      case "push":
        return readPush(yield* Schema.decodeUnknownEffect(PushPayload)(payload))
      case "pull_request": {
        const read = yield* Schema.decodeUnknownEffect(PullRequestPayload)(payload)
        return {
          _tag: "PullRequest",
          ...common(read),
          action: textOf(read.action),
          pullRequest: WebhookRecord.pullRequest(read.pull_request)
        }
      }
      case "issues": {
        const read = yield* Schema.decodeUnknownEffect(IssuesPayload)(payload)
        return {
          _tag: "Issues",
          ...common(read),
          action: textOf(read.action),
          issue: WebhookRecord.issue(read.issue)
        }
      }
      case "issue_comment": {
        const read = yield* Schema.decodeUnknownEffect(IssueCommentPayload)(payload)
        return {
          _tag: "IssueComment",
          ...common(read),
          action: textOf(read.action),
          issue: WebhookRecord.issue(read.issue),
          isPullRequest: read.issue["pull_request"] !== undefined,
          comment: WebhookRecord.comment(read.comment)
        }
      }
      case "ping": {
        const { hook_id } = yield* Schema.decodeUnknownEffect(PingPayload)(payload)
        return { _tag: "Ping", hookId: hook_id }
      }
      default:
        return { _tag: "Other", name, payload }
    }
  }).pipe(Effect.mapError(() => new Malformed({ event: name })))

const RepositoryName = Schema.Struct({ repository: Schema.Struct({ full_name: Schema.String }) })

/**
 * The subject of an event: a ref, an issue or a pull request of a repository. For other events it is the repository, or
 * the name of the event. Events with the same key are handled one after the other.
 *
 * @category accessors
 * @since 0.1.0
 */
export const keyOf = (event: Event): string => {
  switch (event._tag) {
    case "Push":
      return `${event.repository.owner}/${event.repository.name} ${event.ref}`
    case "PullRequest":
      return `${event.repository.owner}/${event.repository.name} #${event.pullRequest.number}`
    case "Issues":
    case "IssueComment":
      return `${event.repository.owner}/${event.repository.name} #${event.issue.number}`
    case "Ping":
      return "ping"
    case "Other":
      return Schema.is(RepositoryName)(event.payload) ? event.payload.repository.full_name : event.name
  }
}
