/** Pull requests: one open per branch, created or brought to the wanted state. */
import type { GitHubError } from "@remote-agent/domain"
import { Effect, Option, Schedule, Schema, Stream } from "effect"
import * as Model from "../model.ts"
import { forRepo, isAmbiguous } from "./request.ts"
import type { GitHubRequests } from "./requests.ts"
import * as Wire from "./wire.ts"

/** The fields of an open pull request that differ from the spec. Fields without a wanted value are left alone. */
export const changes = (
  pull: Model.PullRequest,
  { base, body, title }: Model.PullRequestSpec
): { readonly title?: string; readonly body?: string; readonly base?: string } => ({
  ...(title === pull.title ? {} : { title }),
  ...(body === undefined || sameText(body, pull.body) ? {} : { body }),
  ...(base === undefined || base === pull.base.branch ? {} : { base })
})

// GitHub stores line breaks as they were sent, and its own editor sends CRLF.
const sameText = (a: string, b: string) => a.replaceAll("\r\n", "\n") === b.replaceAll("\r\n", "\n")

/** The names in `wanted` that are not in `present`. GitHub compares names case-insensitively. */
export const missing = (
  wanted: ReadonlyArray<string> | undefined,
  present: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const have = new Set(present.map((name) => name.toLowerCase()))
  return (wanted ?? []).filter((name) => !have.has(name.toLowerCase()))
}

/** Chooses among several open pull requests of one head: the one for this base, else the oldest. */
export const choose = (
  pulls: ReadonlyArray<Model.PullRequest>,
  base: string | undefined
): Option.Option<Model.PullRequest> => {
  const [oldest] = pulls.toSorted((a, b) => a.number - b.number)
  return Option.fromUndefinedOr(pulls.find((pull) => pull.base.branch === base) ?? oldest)
}

// The list may lag behind a refusal that says the pull request exists.
const settling = Schedule.spaced("500 millis").pipe(Schedule.upTo({ times: 5 }))

/** The pull request methods of `GitHub`. */
export const make = (
  requests: GitHubRequests,
  defaultBranch: (repo: Model.Repo) => Effect.Effect<string, GitHubError.GitHubError>
) => {
  const list = (
    repo: Model.Repo,
    filter: Model.PullRequestFilter,
    operation: GitHubError.Operation
  ): Stream.Stream<Model.PullRequest, GitHubError.GitHubError> =>
    requests
      .pages(
        forRepo(repo, operation, "GET {repo}/pulls", {
          state: filter.state ?? "open",
          ...(filter.head === undefined ? {} : { head: Model.qualified(repo, filter.head) }),
          ...(filter.base === undefined ? {} : { base: filter.base })
        }),
        Schema.Array(Wire.PullRequest)
      )
      .pipe(Stream.flatMap((page) => Stream.fromIterable(page.map(Wire.pullRequest))))

  const open = (repo: Model.Repo, { base, head }: Model.PullRequestSpec) =>
    Effect.map(Stream.runCollect(list(repo, { head }, "createPullRequest")), (pulls) => choose(pulls, base))

  const post = (repo: Model.Repo, spec: Model.PullRequestSpec) =>
    Effect.gen(function* () {
      const { body, draft, head, title } = spec
      const base = spec.base ?? (yield* defaultBranch(repo))
      const wire = yield* requests.send(
        forRepo(
          repo,
          "createPullRequest",
          "POST {repo}/pulls",
          {},
          {
            title,
            head,
            base,
            ...(body === undefined ? {} : { body }),
            ...(draft === undefined ? {} : { draft })
          }
        ),
        Wire.PullRequest
      )
      return Wire.pullRequest(wire)
    })

  const update = Effect.fnUntraced(function* (
    repo: Model.Repo,
    pull: Model.PullRequest,
    spec: Model.PullRequestSpec
  ) {
    const wanted = changes(pull, spec)
    if (Object.keys(wanted).length === 0) return { pull, changed: false }
    const wire = yield* requests.send(
      forRepo(
        repo,
        "createPullRequest",
        "PATCH {repo}/pulls/{pull_number}",
        {
          pull_number: pull.number
        },
        wanted
      ),
      Wire.PullRequest
    )
    return { pull: Wire.pullRequest(wire), changed: true }
  })

  /** The open pull request, or a new one. When two clients create one at the same time, GitHub accepts only one. */
  const ensure = Effect.fnUntraced(function* (repo: Model.Repo, spec: Model.PullRequestSpec) {
    const found = yield* open(repo, spec)
    if (Option.isSome(found)) return { pull: found.value, created: false }
    return yield* Effect.map(post(repo, spec), (pull) => ({ pull, created: true })).pipe(
      Effect.catchIf(
        (error) => error.reason._tag === "Invalid" || isAmbiguous(error),
        (error) =>
          Effect.gen(function* () {
            const lost = isAmbiguous(error)
            const schedule = lost || alreadyThere(error) ? settling : Schedule.recurs(0)
            const now = yield* Effect.repeat(open(repo, spec), {
              schedule,
              until: (pull) => Option.isSome(pull)
            })
            // After a lost reply the pull request is most likely the one just created.
            return Option.isSome(now) ? { pull: now.value, created: lost } : yield* error
          })
      )
    )
  })

  const addLabels = Effect.fnUntraced(function* (
    repo: Model.Repo,
    pull: Model.PullRequest,
    wanted: ReadonlyArray<string> | undefined
  ) {
    const labels = missing(wanted, pull.labels)
    if (labels.length === 0) return Option.none<Model.PullRequest>()
    const all = yield* requests.send(
      forRepo(
        repo,
        "createPullRequest",
        "POST {repo}/issues/{issue_number}/labels",
        {
          issue_number: pull.number
        },
        { labels }
      ),
      Schema.Array(Schema.Struct({ name: Schema.String }))
    )
    return Option.some({ ...pull, labels: all.map(({ name }) => name) })
  })

  const reviewed = (repo: Model.Repo, pull: Model.PullRequest) =>
    requests
      .pages(
        forRepo(repo, "createPullRequest", "GET {repo}/pulls/{pull_number}/reviews", {
          pull_number: pull.number
        }),
        Schema.Array(Wire.Review)
      )
      .pipe(
        Stream.flatMap((page) => Stream.fromIterable(page.map(Wire.reviewer))),
        Stream.runCollect
      )

  const askReviewers = Effect.fnUntraced(function* (
    repo: Model.Repo,
    pull: Model.PullRequest,
    spec: Model.PullRequestSpec,
    isNew: boolean
  ) {
    const people = missing(spec.reviewers, pull.reviewers)
    const reviewers = isNew || people.length === 0 ? people : missing(people, yield* reviewed(repo, pull))
    // GitHub does not tell which members of a team have reviewed, so a team is asked only for a new pull request.
    const teamReviewers = isNew ? missing(spec.teamReviewers, pull.teamReviewers) : []
    if (reviewers.length + teamReviewers.length === 0) return Option.none<Model.PullRequest>()
    const wire = yield* requests.send(
      forRepo(
        repo,
        "createPullRequest",
        "POST {repo}/pulls/{pull_number}/requested_reviewers",
        {
          pull_number: pull.number
        },
        { reviewers, team_reviewers: teamReviewers }
      ),
      Wire.PullRequest
    )
    return Option.some(Wire.pullRequest(wire))
  })

  const createPullRequest = Effect.fn("GitHub.createPullRequest")(function* (
    repo: Model.Repo,
    spec: Model.PullRequestSpec
  ): Effect.fn.Return<Model.CreatedPullRequest, GitHubError.GitHubError> {
    const { created, pull } = yield* ensure(repo, spec)
    const updated = yield* update(repo, pull, spec)
    const labelled = yield* Effect.result(addLabels(repo, updated.pull, spec.labels))
    const withLabels = labelled._tag === "Success" ? labelled.success : Option.none()
    const before = Option.getOrElse(withLabels, () => updated.pull)
    const asking = yield* Effect.result(askReviewers(repo, before, spec, created))
    const withReviewers = asking._tag === "Success" ? asking.success : Option.none()
    const isChanged = updated.changed || Option.isSome(withLabels) || Option.isSome(withReviewers)
    return {
      pullRequest: Option.getOrElse(withReviewers, () => before),
      outcome: created ? "created" : isChanged ? "updated" : "unchanged",
      problems: [labelled, asking].flatMap((result) => (result._tag === "Failure" ? [result.failure] : []))
    }
  })

  return {
    createPullRequest,
    pullRequest: Effect.fn("GitHub.pullRequest")((repo: Model.Repo, number: number) =>
      Effect.map(
        requests.send(
          forRepo(repo, "pullRequest", "GET {repo}/pulls/{pull_number}", {
            pull_number: number
          }),
          Wire.PullRequest
        ),
        Wire.pullRequest
      )
    ),
    pullRequests: (repo: Model.Repo, filter: Model.PullRequestFilter = {}) =>
      list(repo, filter, "pullRequests")
  }
}

// GitHub has no error code for this. A refusal for another reason also leads to one more look.
const alreadyThere = ({ reason }: GitHubError.GitHubError): boolean =>
  reason._tag === "Invalid" && reason.problems.some((problem) => problem.includes("already exists"))
