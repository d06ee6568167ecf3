/** A request to GitHub as plain data, and which failures allow it to be sent again. */
import { GitHubError } from "@remote-agent/domain"
import type { Redacted } from "effect"
import type { Repo } from "../model.ts"

/** One request: a route of GitHub's REST API and its input. */
export interface Request {
  readonly operation: GitHubError.Operation
  /** The repository or app that the request concerns. Used in messages. */
  readonly target: string
  /** Method and path template, such as `GET /repos/{owner}/{repo}`. */
  readonly route: string
  /** Values for the template; the rest becomes the query string. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined
  readonly body?: unknown
  /** Secrets in the body. They are masked if GitHub repeats them in an error. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
}

/** A request that concerns a repository. `{repo}` in the route is replaced by the path of the repository. */
export const forRepo = (
  repo: Repo,
  operation: GitHubError.Operation,
  route: string,
  parameters: Readonly<Record<string, unknown>> = {},
  body?: unknown
): Request => ({
  operation,
  target: `${repo.owner}/${repo.name}`,
  route: route.replace("{repo}", "/repos/{owner}/{repo}"),
  parameters: { owner: repo.owner, repo: repo.name, ...parameters },
  body
})

export const isRead = ({ route }: Request): boolean => route.startsWith("GET ")

// A POST creates something each time it is sent. All other methods have the same effect once or many times. Minting a
// token is a POST too, but a surplus token does no harm.
const isIdempotent = (request: Request): boolean =>
  !request.route.startsWith("POST ") || request.operation === "token"

export const failure = (
  { operation, target }: Request,
  reason: GitHubError.Reason
): GitHubError.GitHubError => new GitHubError.GitHubError({ operation, target, reason })

/** Whether a request may have taken effect although it failed. */
export const isAmbiguous = ({ reason }: GitHubError.GitHubError): boolean =>
  reason._tag === "RequestTimedOut" ||
  reason._tag === "ServerFailed" ||
  (reason._tag === "Unreachable" && reason.sent)

/** Whether a failed request may be sent again. A write whose outcome is ambiguous is never repeated. */
export const mayRepeat = (request: Request, error: GitHubError.GitHubError): boolean => {
  switch (error.reason._tag) {
    case "RateLimited":
      return true
    case "Unreachable":
    case "RequestTimedOut":
    case "ServerFailed":
      return !isAmbiguous(error) || isIdempotent(request)
    default:
      return false
  }
}
