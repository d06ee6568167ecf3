import { Repositories } from "@remote-agent/orchestrator"
import { Duration, Effect } from "effect"
import { type Connection, present } from "./Connection.ts"
import type { Raw } from "./failures.ts"

const running = (options: Repositories.RepositoryOptions | undefined) =>
  present({ whenRunning: options?.whenRunning })

/** The repositories of the agents at a server, which has the credentials. */
export const make = ({ client, failures }: Connection): Repositories.Repositories["Service"] => {
  const call = <A>(
    operation: string,
    request: Effect.Effect<A, Raw>
  ): Effect.Effect<A, Repositories.Failure> => Effect.mapError(request, failures.repositories(operation))
  const unsupported = (operation: string) =>
    Effect.fail(failures.ofStore(operation)(failures.unsupported(operation)))

  return Repositories.Repositories.of({
    clone: (id, repository, options) =>
      call(
        "clone",
        client.repositories.clone({
          params: { id },
          payload: { ...present(repository), ...running(options) }
        })
      ),
    pull: (id, how = {}, options) =>
      Effect.map(
        call(
          "pull",
          client.repositories.pull({
            params: { id },
            payload: { ...present({ onDiverged: how.onDiverged }), ...running(options) }
          })
        ),
        (pulled) => ({ ...pulled, branch: pulled.branch })
      ),
    status: () => unsupported("status"),
    diff: (id) => call("diff", client.repositories.diff({ params: { id } })),
    branch: (id, name, from, options) =>
      Effect.map(
        call(
          "branch",
          client.repositories.branch({
            params: { id },
            payload: { name, ...present({ from }), ...running(options) }
          })
        ),
        (head) => ({ ...head, branch: head.branch })
      ),
    commit: (id, spec, options) =>
      Effect.map(
        call(
          "commit",
          client.repositories.commit({ params: { id }, payload: { ...present(spec), ...running(options) } })
        ),
        (committed) => ({ ...committed, branch: committed.branch })
      ),
    push: (id, push = {}, options) =>
      call(
        "push",
        client.repositories.push({ params: { id }, payload: { ...present(push), ...running(options) } })
      ),
    openPullRequest: (id, spec, options) =>
      call(
        "openPullRequest",
        client.repositories.openPullRequest({
          params: { id },
          payload: { ...present(spec), ...running(options) }
        })
      ),
    publish: (id, question, { author, base, draft, labels, repository, timeout } = {}) =>
      call(
        "publish",
        client.repositories.publish({
          params: { id },
          payload: {
            question,
            ...present({ author, base, draft, labels, repository }),
            ...(timeout === undefined ? {} : { timeout: Duration.fromInputUnsafe(timeout) })
          }
        })
      )
  })
}
