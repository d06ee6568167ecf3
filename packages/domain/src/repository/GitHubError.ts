import { Duration, Schema } from "effect"

/**
 * The kind of credential that is shown to GitHub.
 *
 * @category models
 * @since 0.1.0
 */
export const Credential = Schema.Literals(["none", "token", "app"])
export type Credential = typeof Credential.Type

const refused: Record<Credential, string> = {
  none: "no token is set. Set GITHUB_TOKEN.",
  token: "the token was not accepted. It may be wrong, expired or revoked: check GITHUB_TOKEN.",
  app: "the app was not accepted. Check GITHUB_APP_ID, GITHUB_APP_INSTALLATION_ID and GITHUB_APP_PRIVATE_KEY."
}

const sentence = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`)

/** GitHub did not accept the credential. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", {
  credential: Credential
}) {
  override get message() {
    return refused[this.credential]
  }
}

/**
 * The credential does not allow this.
 *
 * - `scope`: a classic token lacks one of the scopes in `needs`.
 * - `permission`: a fine-grained token or an app lacks the permissions in `needs`, such as `issues=write`.
 * - `sso`: the organisation requires the token to be authorised for its single sign-on.
 * - `policy`: another rule forbids it; `detail` is GitHub's explanation.
 */
export class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", {
  kind: Schema.Literals(["scope", "permission", "sso", "policy"]),
  needs: Schema.Array(Schema.String),
  detail: Schema.String
}) {
  override get message() {
    switch (this.kind) {
      case "scope":
        return `the token lacks the scope ${this.needs.join(" or ")}. Add it in the settings of the token.`
      case "permission":
        return `the token or app lacks the permission ${this.needs.join(" or ")}. Add it in its settings.`
      case "sso":
        return "the organisation requires single sign-on. Authorise the token for it in the settings of the token."
      case "policy":
        return `it is not allowed: ${sentence(this.detail)} Ask an administrator of the repository.`
    }
  }
}

/**
 * It does not exist, or the credential does not show it: GitHub answers the same in both cases. `needs` lists scopes
 * that a classic token lacks and that would show it.
 */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {
  credential: Credential,
  needs: Schema.Array(Schema.String)
}) {
  override get message() {
    if (this.credential === "none")
      return "it does not exist, or is not public. Check the name, or set GITHUB_TOKEN."
    return this.needs.length > 0
      ? `it does not exist, or the token may not see it without the scope ${this.needs.join(" or ")}. Check the name, and the settings of the token.`
      : "it does not exist, or the token may not see it. Check the names and numbers, and which repositories the token may see."
  }
}

/** GitHub refused the request. Each problem names the field, where GitHub does. */
export class Invalid extends Schema.TaggedError<Invalid>()("Invalid", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `the request was refused: ${sentence(this.problems.join("; "))} Correct it.`
  }
}

/** The request contradicts the current state at GitHub. */
export class Conflict extends Schema.TaggedError<Conflict>()("Conflict", { detail: Schema.String }) {
  override get message() {
    return `it contradicts the current state: ${sentence(this.detail)} Look at it and decide again.`
  }
}

/**
 * GitHub's rate limit lasts longer than the retry window: the limit per hour (`primary`) or the limit on requests at
 * the same time (`secondary`). Nothing was done.
 */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  limit: Schema.Literals(["primary", "secondary"]),
  retryAfter: Schema.Duration
}) {
  override get message() {
    return `too many requests${this.limit === "primary" ? " in this hour" : " at once"}. Try again in ${Duration.format(this.retryAfter)}.`
  }
}

/** GitHub did not answer, or its answer was cut off. `sent` is false when the request certainly never left this machine. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", { sent: Schema.Boolean }) {
  override get message() {
    return "GitHub could not be reached. Check the network and GITHUB_API_URL, then try again."
  }
}

/** GitHub did not answer in time. A request that changes something may have been carried out all the same. */
export class RequestTimedOut extends Schema.TaggedError<RequestTimedOut>()("RequestTimedOut", {
  after: Schema.Duration
}) {
  override get message() {
    return `no answer within ${Duration.format(this.after)}. Try again.`
  }
}

/** GitHub failed on its own side. A request that changes something may have been carried out all the same. */
export class ServerFailed extends Schema.TaggedError<ServerFailed>()("ServerFailed", {
  status: Schema.Int
}) {
  override get message() {
    return `GitHub failed with status ${this.status}. Try again, and look at its status page if that does not help.`
  }
}

/** The answer does not look like one of GitHub's: it comes from a proxy, from another server, or from an unknown version. */
export class Unexpected extends Schema.TaggedError<Unexpected>()("Unexpected", { detail: Schema.String }) {
  override get message() {
    return `the answer is not one of GitHub's: ${sentence(this.detail)} Check GITHUB_API_URL.`
  }
}

/**
 * Why a GitHub operation failed.
 *
 * @category models
 * @since 0.1.0
 */
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

/** Every operation, and whether doing it twice leaves GitHub in the same state as doing it once. */
const repeatable = {
  token: true,
  repository: true,
  latestCommit: true,
  createPullRequest: true,
  pullRequest: true,
  pullRequests: true,
  comment: false,
  createIssue: false,
  listIssues: true,
  checks: true,
  createWebhook: true,
  listWebhooks: true,
  deleteWebhook: true,
  pingWebhook: true,
  deleteBranch: true
} as const satisfies Readonly<Record<string, boolean>>

/**
 * The operation that failed.
 *
 * @category models
 * @since 0.1.0
 */
export const Operation = Schema.Literals(Object.keys(repeatable) as ReadonlyArray<keyof typeof repeatable>)
export type Operation = typeof Operation.Type

/**
 * Every failure of `GitHub`.
 *
 * **Details**
 *
 * `operation` names the call that failed, `target` the repository (`owner/name`) or a part of that name, `reason` the
 * cause. Recover by reason: `Effect.catchReason("GitHubError", "NotFound", …)`.
 *
 * @category errors
 * @since 0.1.0
 */
export class GitHubError extends Schema.TaggedError<GitHubError>()("GitHubError", {
  operation: Operation,
  target: Schema.String,
  reason: Reason
}) {
  override get message() {
    return `${this.target} (${this.operation}): ${this.reason.message}`
  }

  /** Whether trying again may help and cannot do harm. */
  get isRetryable(): boolean {
    const { operation, reason } = this
    switch (reason._tag) {
      case "RateLimited":
        return true
      case "Unreachable":
        return !reason.sent || repeatable[operation]
      case "RequestTimedOut":
      case "ServerFailed":
        return repeatable[operation]
      default:
        return false
    }
  }
}
