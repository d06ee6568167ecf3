import { Duration, Effect, Option } from "effect"
import * as Json from "../../ui/json.ts"
import { command } from "../shared/command.ts"
import { agent, durable, question, timeout } from "../shared/flags.ts"
import * as AgentRepository from "./agentRepository.ts"
import { base, draft, labels, repo } from "./repositoryFlags.ts"
import * as RepositoryName from "./repositoryName.ts"

/** `publish`. */
export const publish = command({
  name: "publish",
  description: "Ask an agent, and open a pull request with its answer as a dated report",
  flags: { agent, question, repo, base, draft, label: labels, timeout, ...durable },
  examples: [
    {
      command: 'remote-agent publish analyst "Compare Apple and Microsoft" --repo acme/research',
      description: "Print the address of the pull request"
    }
  ],
  run: Effect.fn("publish")(function* (flags) {
    yield* AgentRepository.credential
    yield* AgentRepository.withRepository(flags, ({ id }, repositories) =>
      Effect.gen(function* () {
        const repository = Option.getOrUndefined(yield* RepositoryName.given(flags.repo))
        const published = yield* repositories.publish(id, flags.question, {
          repository,
          base: flags.base,
          draft: flags.draft ? true : undefined,
          labels: flags.label,
          timeout: flags.timeout === undefined ? undefined : Duration.seconds(flags.timeout)
        })
        const result = yield* Json.ofQuery(published.result)
        return {
          document: { ...AgentRepository.pullRequestOf(published), path: published.path, result },
          text: published.pullRequest.url,
          note: `${AgentRepository.outcomeOf(published)}: ${published.path}.`
        }
      })
    )
  })
})
