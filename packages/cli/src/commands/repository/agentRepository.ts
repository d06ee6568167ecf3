import type { Agent } from "@remote-agent/domain"
import { Repositories } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import * as AgentLookup from "../../app/AgentLookup.ts"
import * as App from "../../app/App.ts"
import type { Environment } from "../../app/Environment.ts"
import { ServerTarget } from "../../app/ServerTarget.ts"
import * as Settings from "../../app/Settings.ts"
import * as State from "../../app/State.ts"
import type { Ended, Failure } from "../../ui/Failure.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import * as RepositoryName from "./repositoryName.ts"

/** The flags of every command on the repository of an agent. */
export interface RepositoryFlags extends Settings.AppFlags {
  readonly agent: string
  readonly json: boolean
}

/** What a command prints. */
export interface Printed {
  /** For programs, on stdout. */
  readonly document: object
  /** For people, on stdout. */
  readonly text: string
  /** For people, on stderr. */
  readonly note?: string | undefined
}

/** Fails with `ConfigError` when there is no credential for GitHub. */
export const credential: Effect.Effect<void, Failure, Environment> = Effect.flatMap(ServerTarget, (target) =>
  // A server has credentials of its own.
  target === undefined ? Effect.provide(RepositoryName.credential, Settings.config()) : Effect.void
)

/** Works on the repository of an agent and prints the result. */
export const withRepository = <E extends Failure | Ended, R>(
  flags: RepositoryFlags,
  work: (
    agent: Agent.Agent,
    repositories: Repositories.Repositories["Service"]
  ) => Effect.Effect<Printed, E, R | App.Durable>
) =>
  Effect.gen(function* () {
    const { note: notes, out } = yield* Screen
    const found = yield* AgentLookup.one(flags.agent)
    const { document, note, text } = yield* Effect.flatMap(Repositories.Repositories, (repositories) =>
      work(found, repositories)
    ).pipe(Effect.provide(App.repositories(yield* AgentLookup.at(flags, [found]))))
    yield* line(out, flags.json ? jsonText(document) : text)
    if (note !== undefined && !flags.json) yield* line(notes, note)
  }).pipe(Effect.provide(State.layer(flags)))

/** A branch and a commit for people. */
export const headOf = ({
  branch,
  commit
}: {
  readonly branch?: string | undefined
  readonly commit: string
}): string => `${branch ?? "(detached)"} ${commit}`

/** The JSON of a pull request. */
export const pullRequestOf = ({
  branch,
  commit,
  files,
  outcome,
  pullRequest,
  repository
}: Repositories.Opened) => ({
  outcome,
  url: pullRequest.url,
  number: pullRequest.number,
  repository: `${repository.owner}/${repository.name}`,
  branch,
  base: pullRequest.base.branch,
  commit,
  files
})

/** What happened to a pull request, in words. */
export const outcomeOf = ({ files, outcome }: Pick<Repositories.Opened, "files" | "outcome">): string => {
  switch (outcome) {
    case "created":
      return "Opened"
    case "updated":
      return "Updated"
    case "unchanged":
      return files.length > 0 ? "Pushed to the open one" : "Already open"
  }
}
