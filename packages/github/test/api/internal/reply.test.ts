import { assert, describe, it } from "@effect/vitest"
import * as GitHubReply from "../../../src/api/internal/reply.ts"
import { Duration, Effect, Option, Schema } from "effect"

const Relation = Schema.String.check(Schema.isPattern(/^[a-z]{1,8}$/))
const Target = Schema.String.check(Schema.isPattern(/^https:\/\/[a-z.]{1,20}\/[\w?&=%,;"/-]{0,40}$/))
const Link = Schema.Struct({
  target: Target,
  relations: Schema.Array(Relation).check(Schema.isMaxLength(3)),
  title: Schema.UndefinedOr(Schema.String.check(Schema.isPattern(/^[a-z ,;<>=]{0,12}$/))),
  isQuoted: Schema.Boolean
})

const written = ({ isQuoted, relations, target, title }: typeof Link.Type) => {
  const rel = relations.length === 1 && !isQuoted ? relations[0] : `"${relations.join(" ")}"`
  return `<${target}>${title === undefined ? "" : `; title="${title}"`}; rel=${rel}`
}

const pageAt = (page: number, rel: string) => `<https://api.github.com/x?page=${page}>; rel="${rel}"`

const reasonOf = (status: number, headers: Record<string, string> = {}, body: unknown = {}) => ({
  ...GitHubReply.reasonOf({ status, headers, body }, "token", 1_000_000)
})

const scoped = (has: string, accepted: string) =>
  reasonOf(403, { "x-oauth-scopes": has, "x-accepted-oauth-scopes": accepted })

describe("the Link header", () => {
  it.effect.prop(
    "names the next page wherever it stands among others",
    [Schema.Array(Link).check(Schema.isMaxLength(5))],
    ([links]) =>
      Effect.sync(() => {
        const expected = links.find(({ relations }) => relations.includes("next"))?.target
        const header = links.map(written).join(", ")
        assert.strictEqual(Option.getOrUndefined(GitHubReply.nextPage(header)), expected)
      })
  )

  it.effect.prop(
    "is followed from the first page to the last one of any list",
    [Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 }))],
    ([last]) =>
      Effect.sync(() => {
        const headerOf = (page: number) =>
          [
            ...(page > 1 ? [pageAt(page - 1, "prev")] : []),
            ...(page < last ? [pageAt(page + 1, "next"), pageAt(last, "last")] : []),
            pageAt(1, "first")
          ].join(", ")
        let page = 1
        for (let next = GitHubReply.nextPage(headerOf(1)); Option.isSome(next); page++) {
          assert.strictEqual(next.value, `https://api.github.com/x?page=${page + 1}`)
          next = GitHubReply.nextPage(headerOf(page + 1))
        }
        assert.strictEqual(page, last)
      })
  )

  it.effect.prop("may be anything", [Schema.String], ([header]) =>
    Effect.sync(() => assert.isTrue(Option.isOption(GitHubReply.nextPage(header))))
  )

  it("may be missing", () => {
    assert.isTrue(Option.isNone(GitHubReply.nextPage(undefined)))
    assert.isTrue(
      Option.isNone(GitHubReply.nextPage('<https://a/b>; rel="nextish", <https://a/next>; title="next"'))
    )
  })
})

describe("a refusal", () => {
  it("is a limit only when it is one", () => {
    assert.deepInclude(reasonOf(403), { _tag: "Forbidden", kind: "policy" })
    assert.deepInclude(reasonOf(403, { "x-ratelimit-remaining": "12", "x-ratelimit-reset": "2000" }), {
      _tag: "Forbidden"
    })
    const primary = reasonOf(403, { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1009" })
    assert.deepInclude(primary, { limit: "primary", retryAfter: Duration.seconds(10) })
    const past = reasonOf(403, { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "10" })
    assert.deepInclude(past, { limit: "primary", retryAfter: Duration.seconds(1) })
    const date = reasonOf(429, { "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" })
    assert.deepInclude(date, { limit: "secondary", retryAfter: Duration.minutes(1) })
    const documented = { documentation_url: "https://docs.github.com/rest/about-secondary-rate-limits" }
    assert.deepInclude(reasonOf(403, {}, documented), { limit: "secondary" })
  })

  it("names the scope that a classic token lacks, and knows which scopes include others", () => {
    assert.deepInclude(scoped("gist", "repo, public_repo"), {
      kind: "scope",
      needs: ["repo", "public_repo"]
    })
    assert.deepInclude(scoped("", "repo"), { kind: "scope", needs: ["repo"] })
    assert.deepInclude(scoped("repo", "public_repo"), { kind: "policy" })
    assert.deepInclude(scoped("admin:repo_hook", "read:repo_hook"), { kind: "policy" })
    assert.deepInclude(scoped("repo", ""), { kind: "policy" })
  })

  it("keeps GitHub's words to one short line, and takes any body", () => {
    const { detail } = { detail: "", ...reasonOf(409, {}, { message: `a\n${"b".repeat(1000)}` }) }
    assert.isAtMost(detail.length, 300)
    assert.notInclude(detail, "\n")
    for (const body of [null, "<html>", 7, [], { message: 7 }, { errors: "x" }]) {
      assert.strictEqual(reasonOf(422, {}, body)._tag, "Invalid")
    }
    assert.deepInclude(
      reasonOf(422, {}, { errors: ["Not so", { code: "missing_field", field: "title" }, 7] }),
      {
        problems: ["Not so", "title: missing field", "it gave no reason"]
      }
    )
  })
})
