import type { Id } from "@remote-agent/domain"
import { DateTime, Effect } from "effect"
import * as AgentRepository from "../../agents/AgentRepository.ts"
import * as ReportFile from "../ReportFile.ts"
import { defaultAuthor, type Failure, type Published, type PublishOptions } from "../specs.ts"
import type { Access } from "./access.ts"

/** Makes `Repositories.publish`. */
export const make = ({
  git,
  github,
  orchestrator,
  ready,
  recorded
}: Access): ((
  id: Id.AgentId,
  question: string,
  options?: PublishOptions
) => Effect.Effect<Published, Failure>) =>
  Effect.fn("Repositories.publish")(function* (
    id: Id.AgentId,
    question: string,
    options: PublishOptions = {}
  ) {
    const { author = defaultAuthor, base: named, draft, labels, repository, ...query } = options
    const agent = yield* orchestrator.agents.get(id)
    const repo = repository ?? (yield* recorded("publish", id)).repo
    const { defaultBranch } = yield* ready(repo)
    const base = named ?? defaultBranch
    const result = yield* agent.query(question, query)
    const { body, branch, content, path, title } = ReportFile.make(agent.record, result, yield* DateTime.now)
    const { changed, commit } = yield* git.commitFile({
      repository: AgentRepository.fullName(repo),
      base,
      branch,
      path,
      content,
      message: title,
      author
    })
    const { outcome, pullRequest } = yield* github.createPullRequest(repo, {
      head: branch,
      title,
      body,
      base,
      draft,
      labels
    })
    const files = changed ? [path] : []
    return { branch, commit, files, repository: repo, outcome, pullRequest, path, result } satisfies Published
  })
