import type { Agent, RemoteAgentConfig } from "@remote-agent/domain"
import { Repositories } from "@remote-agent/orchestrator"
import { Duration, Effect, Option } from "effect"
import * as App from "../../app/App.ts"
import * as Documents from "../../ui/json.ts"
import { type Ended, type Environment, type Failure, type Run, Usage } from "../../ui/Failure.ts"
import * as Provider from "../../app/agentProvider.ts"
import * as RepoName from "./repositoryName.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as Settings from "../../app/Settings.ts"
import * as TextFile from "../../ui/textInput.ts"

/** The flags of every command here. */
interface AgentFlags extends App.AppFlags {
  readonly agent: string
  readonly json: boolean
}

/** What the commands tell: for programs, and for people. */
interface Told {
  readonly document: object
  readonly text: string
  readonly note?: string | undefined
}

const told = Effect.fnUntraced(function* (json: boolean, { document, note, text }: Told) {
  const screen = yield* Screen
  yield* line(screen.out, json ? JSON.stringify(document) : text)
  if (note !== undefined && !json) yield* line(screen.note, note)
})

/** Does something with the repository of an agent and tells what came of it. */
const withAgent = <E extends Failure | Ended, R>(
  flags: AgentFlags,
  work: (
    agent: Agent.Agent,
    repositories: Repositories.Repositories["Service"]
  ) => Effect.Effect<Told, E, R | App.Durable>
) =>
  Effect.gen(function* () {
    const [agent, there] = yield* Provider.find(flags, flags.agent)
    const result = yield* Effect.flatMap(Repositories.Repositories, (repositories) =>
      work(agent, repositories)
    ).pipe(Effect.provide(App.repositories(there)))
    yield* told(flags.json, result)
  })

/** Fails before anything is started when there is no credential. */
const credential: Effect.Effect<void, RemoteAgentConfig.ConfigError, Environment> = Effect.provide(
  RepoName.credential,
  Settings.layer({})
)

const repositoryOf = ({ name, owner }: { readonly owner: string; readonly name: string }) =>
  `${owner}/${name}`

const opened = ({ branch, commit, files, outcome, pullRequest, repository }: Repositories.Opened) => ({
  outcome,
  url: pullRequest.url,
  number: pullRequest.number,
  repository: repositoryOf(repository),
  branch,
  base: pullRequest.base.branch,
  commit,
  files
})

/** The flags of `pr create`. */
export interface PrFlags extends AgentFlags {
  readonly title: string
  readonly body?: string | undefined
  readonly bodyFile?: string | undefined
  readonly base?: string | undefined
  readonly branch?: string | undefined
  readonly draft: boolean
  readonly label: ReadonlyArray<string>
  readonly reviewer: ReadonlyArray<string>
}

const words = ({ files, outcome }: Pick<Repositories.Opened, "files" | "outcome">): string => {
  switch (outcome) {
    case "created":
      return "Opened"
    case "updated":
      return "Updated"
    case "unchanged":
      return files.length > 0 ? "Pushed to the open one" : "It is open"
  }
}

/** Commits, pushes and proposes what an agent changed, and prints the address of the pull request. */
export const prCreate = Effect.fn("pr create")(function* (flags: PrFlags): Run {
  const body = yield* TextFile.either("body", flags.body, flags.bodyFile)
  yield* credential
  yield* withAgent(flags, ({ id }, repositories) =>
    Effect.map(
      repositories.openPullRequest(id, {
        title: flags.title,
        body,
        base: flags.base,
        branch: flags.branch,
        draft: flags.draft ? true : undefined,
        labels: flags.label,
        reviewers: flags.reviewer
      }),
      (made) => ({
        document: opened(made),
        text: made.pullRequest.url,
        note: `${words(made)}: ${made.branch} at ${made.commit.slice(0, 12)}.`
      })
    )
  )
})

/** The flags of `publish`. */
export interface PublishFlags extends AgentFlags {
  readonly question: string
  readonly repo?: string | undefined
  readonly base?: string | undefined
  readonly draft: boolean
  readonly label: ReadonlyArray<string>
  readonly timeout?: number | undefined
}

/** Asks an agent, proposes the answer as a report, and prints the address of the pull request. */
export const publish = Effect.fn("publish")(function* (flags: PublishFlags): Run {
  yield* credential
  yield* withAgent(flags, ({ id }, repositories) =>
    Effect.gen(function* () {
      const repository = Option.getOrUndefined(yield* RepoName.said(flags.repo))
      const made = yield* repositories.publish(id, flags.question, {
        repository,
        base: flags.base,
        draft: flags.draft ? true : undefined,
        labels: flags.label,
        timeout: flags.timeout === undefined ? undefined : Duration.seconds(flags.timeout)
      })
      const result = yield* Documents.ofQuery(made.result)
      return {
        document: { ...opened(made), path: made.path, result },
        text: made.pullRequest.url,
        note: `${words(made)}: ${made.path}.`
      }
    })
  )
})

const where = ({ branch, commit }: { readonly branch?: string | undefined; readonly commit: string }) =>
  `${branch ?? "no branch"} ${commit}`

/** The flags of `branch`. */
export interface BranchFlags extends AgentFlags {
  readonly name: string
  readonly from?: string | undefined
}

/** Makes a branch and checks it out. */
export const branch = Effect.fn("branch")(function* (flags: BranchFlags): Run {
  yield* withAgent(flags, ({ id }, repositories) =>
    Effect.map(repositories.branch(id, flags.name, flags.from), (head) => ({
      document: head,
      text: where(head)
    }))
  )
})

/** The flags of `commit`. */
export interface CommitFlags extends AgentFlags {
  readonly message?: string | undefined
  readonly messageFile?: string | undefined
}

/** Commits what changed. */
export const commit = Effect.fn("commit")(function* (flags: CommitFlags): Run {
  const message = yield* TextFile.either("message", flags.message, flags.messageFile)
  if (message === undefined || message.trim() === "") {
    return yield* new Usage({ message: "There is no message. Say --message or --message-file." })
  }
  yield* withAgent(flags, ({ id }, repositories) =>
    Effect.map(repositories.commit(id, { message }), (committed) => ({
      document: committed,
      text: where(committed),
      note: committed.files.join("\n")
    }))
  )
})

/** The flags of `push`. */
export interface PushFlags extends AgentFlags {
  readonly branch?: string | undefined
}

/** Pushes a branch. */
export const push = Effect.fn("push")(function* (flags: PushFlags): Run {
  yield* credential
  yield* withAgent(flags, ({ id }, repositories) =>
    Effect.map(repositories.push(id, { branch: flags.branch }), (pushed) => ({
      document: pushed,
      text: where(pushed)
    }))
  )
})

/** Brings the checked out branch to where the server's is. */
export const pull = Effect.fn("pull")(function* (flags: AgentFlags): Run {
  yield* withAgent(flags, ({ id }, repositories) =>
    Effect.map(repositories.pull(id), (pulled) => ({
      document: pulled,
      text: where(pulled),
      note: pulled.before === pulled.commit ? "There is nothing newer." : undefined
    }))
  )
})
