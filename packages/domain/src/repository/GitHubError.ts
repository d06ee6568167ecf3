import { Duration, Schema } from "effect"

/** What we show ourselves to GitHub with. */
export const Credential = Schema.Literals(["none", "token", "app"])
export type Credential = typeof Credential.Type

/** GitHub did not accept who we say we are. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {
  credential: Credential
}) {}

/**
 * We may not do this.
 *
 * - `scope`: a classic token lacks one of the scopes `needs`.
 * - `permission`: a fine-grained token or an app lacks the permissions `needs`, such as `issues=write`.
 * - `sso`: the organisation wants the token to be authorised for its single sign-on.
 * - `policy`: something else forbids it; `detail` are GitHub's words.
 */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", {
  kind: Schema.Literals(["scope", "permission", "sso", "policy"]),
  needs: Schema.Array(Schema.String),
  detail: Schema.String
}) {}

/**
 * It does not exist, or we may not see it: GitHub gives the same answer to both. `needs` are scopes that would let a
 * classic token see it and that this one has not.
 */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {
  credential: Credential,
  needs: Schema.Array(Schema.String)
}) {}

/** GitHub refused the request as it stands; each problem names the field where GitHub does. */
export class Invalid extends Schema.TaggedError<Invalid>()("Invalid", {
  problems: Schema.Array(Schema.String)
}) {}

/** It contradicts what is there now. */
export class Conflict extends Schema.TaggedError<Conflict>()("Conflict", { detail: Schema.String }) {}

/**
 * Too many requests for longer than we were willing to wait: of all in an hour (`primary`), or of too many at once
 * (`secondary`). Nothing was done.
 */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  limit: Schema.Literals(["primary", "secondary"]),
  retryAfter: Schema.Duration
}) {}

/** Nobody answered, or the answer was cut off. `sent` is false when the request certainly never left. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", { sent: Schema.Boolean }) {}

/** The answer did not come in time. A change may have been made all the same. */
export class RequestTimedOut extends Schema.TaggedError<RequestTimedOut>()("RequestTimedOut", {
  after: Schema.Duration
}) {}

/** GitHub answered with a failure of its own. A change may have been made all the same. */
export class ServerFailed extends Schema.TaggedError<ServerFailed>()("ServerFailed", {
  status: Schema.Int
}) {}

/** The answer is not one that GitHub gives: a proxy in between, another server, or a version that we do not know. */
export class Unexpected extends Schema.TaggedError<Unexpected>()("Unexpected", { detail: Schema.String }) {}

/** Why a GitHub operation failed. */
export const Reason = Schema.Union([
  Unauthorized,
  Forbidden,
  NotFound,
  Invalid,
  Conflict,
  RateLimited,
  Unreachable,
  RequestTimedOut,
  ServerFailed,
  Unexpected
])
export type Reason = typeof Reason.Type

/** What was being done when it failed. */
export const Operation = Schema.Literals([
  "token",
  "repository",
  "latestCommit",
  "createPullRequest",
  "pullRequest",
  "pullRequests",
  "comment",
  "createIssue",
  "listIssues",
  "checks",
  "createWebhook",
  "listWebhooks",
  "deleteWebhook",
  "pingWebhook",
  "deleteBranch"
])
export type Operation = typeof Operation.Type

/** Operations that change nothing, or leave the same behind however often they are done. */
const repeatable: ReadonlySet<Operation> = new Set<Operation>([
  "token",
  "repository",
  "latestCommit",
  "createPullRequest",
  "pullRequest",
  "pullRequests",
  "listIssues",
  "checks",
  "createWebhook",
  "listWebhooks",
  "deleteWebhook",
  "pingWebhook",
  "deleteBranch"
])

/**
 * Every failure of `GitHub`: `operation` says where, `target` at what (`owner/name`, or less when there is no
 * repository), `reason` says why. Recover with `Effect.catchReason("GitHubError", "NotFound", …)`.
 */
export class GitHubError extends Schema.TaggedError<GitHubError>()("GitHubError", {
  operation: Operation,
  target: Schema.String,
  reason: Reason
}) {
  override get message() {
    return `${this.target} (${this.operation}): ${explain(this.reason)}`
  }

  /** Whether doing the same again may help and cannot do harm. */
  get isRetryable(): boolean {
    const { operation, reason } = this
    switch (reason._tag) {
      case "RateLimited":
        return true
      case "Unreachable":
        return !reason.sent || repeatable.has(operation)
      case "RequestTimedOut":
      case "ServerFailed":
        return repeatable.has(operation)
      default:
        return false
    }
  }
}

const credentials: Record<Credential, string> = {
  none: "no token is set. Set GITHUB_TOKEN.",
  token: "the token was not accepted. It may be wrong, expired or revoked: check GITHUB_TOKEN.",
  app: "the app was not accepted. Check GITHUB_APP_ID, GITHUB_APP_INSTALLATION_ID and GITHUB_APP_PRIVATE_KEY."
}

const sentence = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`)

const forbidden = ({ detail, kind, needs }: Forbidden): string => {
  switch (kind) {
    case "scope":
      return `the token lacks the scope ${needs.join(" or ")}. Add it in the settings of the token.`
    case "permission":
      return `the token or app lacks the permission ${needs.join(" or ")}. Add it in its settings.`
    case "sso":
      return "the organisation wants single sign-on. Authorise the token for it in the settings of the token."
    case "policy":
      return `it is not allowed: ${sentence(detail)} Ask who administers the repository.`
  }
}

const notFound = ({ credential, needs }: NotFound): string => {
  if (credential === "none")
    return "it does not exist, or is not public. Check the name, or set GITHUB_TOKEN."
  return needs.length > 0
    ? `it does not exist, or the token may not see it without the scope ${needs.join(" or ")}. Check the name, and the settings of the token.`
    : "what was asked for does not exist, or the token may not see it. Check names and numbers, and what the token has access to."
}

const explain = (reason: Reason): string => {
  switch (reason._tag) {
    case "Unauthorized":
      return credentials[reason.credential]
    case "Forbidden":
      return forbidden(reason)
    case "NotFound":
      return notFound(reason)
    case "Invalid":
      return `the request was refused: ${sentence(reason.problems.join("; "))} Correct it.`
    case "Conflict":
      return `it contradicts what is there now: ${sentence(reason.detail)} Look at it and decide anew.`
    case "RateLimited":
      return `too many requests${reason.limit === "primary" ? " in this hour" : " at once"}. Try again in ${Duration.format(reason.retryAfter)}.`
    case "Unreachable":
      return "GitHub could not be reached. Check the network and GITHUB_API_URL, then try again."
    case "RequestTimedOut":
      return `no answer within ${Duration.format(reason.after)}. Try again.`
    case "ServerFailed":
      return `GitHub failed with status ${reason.status}. Try again, and look at its status page if that does not help.`
    case "Unexpected":
      return `the answer is not what GitHub gives: ${sentence(reason.detail)} Check GITHUB_API_URL.`
  }
}
