import { RemoteAgentConfig } from "@remote-agent/domain"
import { Effect, Option, Redacted } from "effect"
import * as Settings from "../../../../app/Settings.ts"
import { type Check, check, type Checks } from "../Check.ts"
import { request } from "../request.ts"

/** Explains a status other than 200. */
const refused = (status: number, address: string | undefined): Check => {
  if (status === 401 || status === 403) {
    const where = address === undefined ? " at https://github.com/settings/tokens" : ""
    const todo = `Create a new token${where} and set GITHUB_TOKEN.`
    return check("github", "failed", `The token was refused (${status}).`, todo)
  }
  const todo =
    status === 404
      ? "Check GITHUB_API_URL; that of an Enterprise Server ends with /api/v3."
      : "Try again later."
  return check("github", "failed", `${address ?? "GitHub"} does not answer as GitHub does (${status}).`, todo)
}

const ofScopes = (scopes: string | undefined): Check => {
  if (scopes === undefined) return check("github", "ok", "The token is accepted. It is fine-grained.")
  return scopes.split(/,\s*/).includes("repo")
    ? check("github", "ok", `The token is accepted, with the scopes ${scopes}.`)
    : check(
        "github",
        "warning",
        `The token has the scopes ${scopes === "" ? "(none)" : scopes}.`,
        "Give it the scope repo to push to private repositories and open pull requests."
      )
}

/** GitHub accepts the token. */
export const github: Checks = {
  name: "github",
  run: (flags) =>
    Effect.gen(function* () {
      const { GITHUB_API_URL, GITHUB_TOKEN } = yield* RemoteAgentConfig.RemoteAgentConfig
      if (GITHUB_TOKEN === undefined) return [check("github", "skipped", "GITHUB_TOKEN is not set.")]
      const address = `${GITHUB_API_URL ?? "https://api.github.com"}/rate_limit`
      const answer = yield* request(address, {
        authorization: `Bearer ${Redacted.value(GITHUB_TOKEN)}`,
        "user-agent": "remote-agent"
      })
      if (Option.isNone(answer)) {
        const todo = "Check the network and GITHUB_API_URL."
        return [check("github", "warning", "GitHub could not be reached.", todo)]
      }
      const { headers, status } = answer.value
      // An Enterprise Server without rate limits answers 404 to a valid token.
      const isUnlimited = status === 404 && headers["x-github-request-id"] !== undefined
      return [
        status === 200 || isUnlimited ? ofScopes(headers["x-oauth-scopes"]) : refused(status, GITHUB_API_URL)
      ]
    }).pipe(Effect.provide(Settings.config(flags)))
}
