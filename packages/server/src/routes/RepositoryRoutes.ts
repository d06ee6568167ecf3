import { Api, type Authorization, type RequestChecks } from "@remote-agent/api"
import { Repositories } from "@remote-agent/orchestrator"
import { Effect, type Layer } from "effect"
import { HttpApiBuilder, type HttpApiGroup } from "effect/http-api"
import { sent } from "./sent.ts"

/** A head as it is sent: `branch` is absent when no branch is checked out. */
const headOf = <H extends { readonly branch: string | undefined; readonly commit: string }>({
  branch,
  ...head
}: H) => ({ ...head, ...(branch === undefined ? {} : { branch }) })

/**
 * The handlers for the repositories of agents.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<
  HttpApiGroup.Service<"remote-agent", "repositories">,
  never,
  Authorization.Authorization | RequestChecks.RequestChecks | Repositories.Repositories
> = HttpApiBuilder.group(
  Api.Api,
  "repositories",
  Effect.fnUntraced(function* (handlers) {
    const repositories = yield* Repositories.Repositories

    return handlers.handleAll({
      diff: ({ params }) =>
        Effect.map(sent(repositories.diff(params.id)), ({ files, patch }) => ({
          patch,
          files: files.map(({ from, path, status }) => ({
            path,
            status,
            ...(from === undefined ? {} : { from })
          }))
        })),
      clone: ({ params, payload: { whenRunning, ...repository } }) =>
        sent(repositories.clone(params.id, repository, { whenRunning })),
      pull: ({ params, payload: { whenRunning, ...how } }) =>
        Effect.map(sent(repositories.pull(params.id, how, { whenRunning })), headOf),
      branch: ({ params, payload: { from, name, whenRunning } }) =>
        Effect.map(sent(repositories.branch(params.id, name, from, { whenRunning })), headOf),
      commit: ({ params, payload: { whenRunning, ...spec } }) =>
        Effect.map(sent(repositories.commit(params.id, spec, { whenRunning })), headOf),
      push: ({ params, payload: { whenRunning, ...push } }) =>
        sent(repositories.push(params.id, push, { whenRunning })),
      openPullRequest: ({ params, payload: { whenRunning, ...spec } }) =>
        sent(repositories.openPullRequest(params.id, spec, { whenRunning })),
      publish: ({ params, payload: { question, ...options } }) =>
        sent(repositories.publish(params.id, question, options))
    })
  })
)
