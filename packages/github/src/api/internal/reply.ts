/** Reads GitHub's refusals and page links. Pure. */
import { GitHubError } from "@remote-agent/domain"
import { Duration, Option, Schema } from "effect"

/** A reply that is not a success. */
export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: unknown
}

const Body = Schema.Struct({
  message: Schema.optionalKey(Schema.String),
  documentation_url: Schema.optionalKey(Schema.String),
  errors: Schema.optionalKey(Schema.Array(Schema.Unknown))
})

const FieldError = Schema.Struct({
  field: Schema.optionalKey(Schema.NullOr(Schema.String)),
  code: Schema.optionalKey(Schema.NullOr(Schema.String)),
  message: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const readBody = Schema.decodeUnknownOption(Body)
const readFieldError = Schema.decodeUnknownOption(FieldError)

type Words = (text: string) => string

/** GitHub's words on one line of at most 300 characters (a proxy may send a page of HTML), with secrets masked. */
const shown =
  (secrets: ReadonlyArray<string>): Words =>
  (text) =>
    secrets
      .filter((secret) => secret !== "")
      .reduce((masked, secret) => masked.replaceAll(secret, "***"), text)
      .replaceAll(/\s+/g, " ")
      .trim()
      .slice(0, 300)

const fieldProblem = (error: unknown, words: Words): string => {
  if (typeof error === "string") return words(error)
  return Option.match(readFieldError(error), {
    onNone: () => "it gave no reason",
    onSome: ({ code, field, message }) => {
      const why = message ?? (code ?? "invalid").replaceAll("_", " ")
      return words(typeof field === "string" ? `${field}: ${why}` : why)
    }
  })
}

const seconds = (value: unknown): number | undefined => {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN
  return Number.isFinite(number) && number >= 0 ? number : undefined
}

// GitHub's documentation says to wait a minute when a secondary limit gives no time.
const secondaryWait = Duration.minutes(1)

// GitHub limits how quickly content is created, and reports that as invalid content.
const submissionWait = Duration.seconds(10)
const submittedTooQuickly = /\bsubmitted too quickly\b/i

/** The rate limit that a refusal reports, if any. */
const rateLimit = (
  { headers, status }: Refusal,
  { documentation_url = "", errors = [], message = "" }: typeof Body.Type,
  now: number
): GitHubError.RateLimited | undefined => {
  const retryAfter = seconds(headers["retry-after"])
  if (status === 422 && submittedTooQuickly.test(JSON.stringify([message, errors]))) {
    const wait = retryAfter === undefined ? submissionWait : Duration.seconds(retryAfter)
    return new GitHubError.RateLimited({ limit: "secondary", retryAfter: wait })
  }
  if (status !== 403 && status !== 429) return undefined
  if (retryAfter !== undefined) {
    return new GitHubError.RateLimited({ limit: "secondary", retryAfter: Duration.seconds(retryAfter) })
  }
  const reset = seconds(headers["x-ratelimit-reset"])
  if (headers["x-ratelimit-remaining"] === "0" && reset !== undefined) {
    // The limit is lifted within that second, not at its start, and GitHub's clock is known to the second.
    const wait = Duration.millis(Math.max(1000, (reset + 1) * 1000 - now))
    return new GitHubError.RateLimited({ limit: "primary", retryAfter: wait })
  }
  // Without a header, only the words distinguish a secondary limit from a lack of permission.
  const isSecondary = documentation_url.includes("rate-limit") || /\bsecondary rate limit\b/i.test(message)
  return status === 429 || isSecondary
    ? new GitHubError.RateLimited({ limit: "secondary", retryAfter: secondaryWait })
    : undefined
}

const list = (value: unknown): ReadonlyArray<string> =>
  typeof value === "string"
    ? value
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== "")
    : []

/** For each scope, the scopes that include it. */
const parents: Readonly<Record<string, ReadonlyArray<string>>> = {
  "write:repo_hook": ["admin:repo_hook"],
  "read:repo_hook": ["write:repo_hook", "admin:repo_hook"],
  public_repo: ["repo"],
  "repo:status": ["repo"]
}

/** The scopes that would each be enough and that a classic token lacks. Other tokens have no scopes. */
const missingScopes = ({ headers }: Refusal): ReadonlyArray<string> => {
  const granted = headers["x-oauth-scopes"]
  if (typeof granted !== "string") return []
  const [accepted, has] = [list(headers["x-accepted-oauth-scopes"]), list(granted)]
  const includes = (scope: string) => [scope, ...(parents[scope] ?? [])].some((one) => has.includes(one))
  return accepted.some(includes) ? [] : accepted
}

const forbidden = (refusal: Refusal, detail: string): GitHubError.Forbidden => {
  const { headers } = refusal
  const make = (kind: GitHubError.Forbidden["kind"], needs: ReadonlyArray<string>) =>
    new GitHubError.Forbidden({ kind, needs, detail })
  const sso = headers["x-github-sso"]
  if (typeof sso === "string" && sso.startsWith("required")) return make("sso", [])
  const scopes = missingScopes(refusal)
  if (scopes.length > 0) return make("scope", scopes)
  const permissions = headers["x-accepted-github-permissions"]
  if (typeof permissions === "string" && permissions !== "") {
    // Semicolons separate alternatives; commas separate permissions that are needed together.
    return make(
      "permission",
      permissions.split(";").map((one) => list(one).join(" and "))
    )
  }
  return make("policy", [])
}

/**
 * The reason for a refusal. `now` is GitHub's time in milliseconds since 1970; `secrets` are masked in GitHub's words.
 */
export const reasonOf = (
  refusal: Refusal,
  credential: GitHubError.Credential,
  now: number,
  secrets: ReadonlyArray<string> = []
): GitHubError.Reason => {
  const words = shown(secrets)
  const body = Option.getOrElse(readBody(refusal.body), (): typeof Body.Type => ({}))
  const detail = words(body.message ?? "no reason was given")
  const limited = rateLimit(refusal, body, now)
  if (limited !== undefined) return limited
  const { status } = refusal
  switch (status) {
    case 401:
      return new GitHubError.Unauthorized({ credential })
    case 403:
    case 451:
      return forbidden(refusal, detail)
    case 404:
    case 410:
      return new GitHubError.NotFound({ credential, needs: missingScopes(refusal) })
    case 409:
      return new GitHubError.Conflict({ detail })
    case 400:
    case 422: {
      const problems = (body.errors ?? []).map((error) => fieldProblem(error, words))
      return new GitHubError.Invalid({ problems: problems.length === 0 ? [detail] : problems })
    }
    default:
      return status >= 500
        ? new GitHubError.ServerFailed({ status })
        : new GitHubError.Unexpected({ detail: `status ${status}` })
  }
}

/** The address of the next page in a `Link` header (RFC 8288); none on the last page. */
export const nextPage = (header: unknown): Option.Option<string> => {
  if (typeof header !== "string") return Option.none()
  for (const [, target = "", parameters = ""] of header.matchAll(/<([^<>]*)>((?:[^",<]|"[^"]*")*)/g)) {
    const rel = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(parameters)
    const relations = (rel?.[1] ?? rel?.[2] ?? "").toLowerCase().split(/\s+/)
    if (relations.includes("next")) return Option.some(target)
  }
  return Option.none()
}
