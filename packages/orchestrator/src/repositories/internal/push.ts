import { GitError, type Agent, type Id } from "@remote-agent/domain"
import type { GitWorkspace } from "@remote-agent/github"
import { Effect } from "effect"
import * as AgentRepository from "../../agents/AgentRepository.ts"
import type { PushSpec, RepositoryOptions } from "../specs.ts"
import type { Access } from "./access.ts"

/**
 * What is pushed when the caller asks for this: the caller's branch, or the one that the host created last. None when
 * there is neither. Pure: it depends on the record and the request, and on nothing in the sandbox.
 */
const targetOf = (
  { branches = [], ref }: Agent.Repository,
  { branch, force, to, ...permissions }: PushSpec
): GitWorkspace.PushOptions | undefined => {
  const seen = (name: string) => branches.find((one) => one.name === name)
  if (branch !== undefined) {
    const replaces = force === true ? (seen(to ?? branch)?.commit ?? "") : undefined
    return { ...permissions, branch, to, replaces }
  }
  const last = branches.findLast(({ created }) => created === true)
  if (last === undefined) return undefined
  const target = to ?? last.name
  const replaces = force === true ? (seen(target)?.commit ?? "") : undefined
  const own = to === undefined ? { base: ref, pushed: last.pushed === true } : undefined
  return { ...permissions, branch: last.name, to, replaces, own }
}

/** Makes `Repositories.push`. */
export const make = ({ git, noteRepository, recorded, within }: Access) =>
  Effect.fn("Repositories.push")(function* (
    id: Id.AgentId,
    spec: PushSpec = {},
    options?: RepositoryOptions
  ) {
    const { repository } = yield* recorded("push", id)
    const target = targetOf(repository, spec)
    if (target === undefined) return yield* GitError.fail("push", new GitError.BranchNotNamed({}))
    const pushed = yield* within("push", id, options, (workspace) => git.push(workspace, target))
    const { branch, commit } = pushed
    yield* noteRepository("push", id, (now) =>
      AgentRepository.withBranch(now, branch, { commit, pushed: true })
    )
    return pushed
  })
