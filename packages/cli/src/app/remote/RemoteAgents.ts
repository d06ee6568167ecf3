import { type Agent, Id, OrchestratorError, SandboxError } from "@remote-agent/domain"
import type { AgentHandle, Agents, Orchestrator } from "@remote-agent/orchestrator"
import { QueryHandle } from "@remote-agent/orchestrator"
import { Duration, Effect, Option, type Scope, Stream, Struct } from "effect"
import { type Connection, once, present, revealed } from "./Connection.ts"
import type { Raw } from "./failures.ts"
import type { RemoteQueries } from "./RemoteQueries.ts"
import * as RemoteSandbox from "./RemoteSandbox.ts"
import { agentQuery } from "./RemoteStateStore.ts"

type Failure = OrchestratorError.OrchestratorError

/** How long the sandbox of an agent of one command outlives a command that died. */
const passingTtl = Duration.minutes(10)

/** A launch as a request has it. */
export const launchPayload = ({
  env,
  id: _id,
  onStage: _onStage,
  repository,
  ttl,
  ...spec
}: Agents.LaunchSpec) => ({
  ...present(spec),
  ...present({ env: revealed(env) }),
  ...(ttl === undefined ? {} : { ttl: Duration.fromInputUnsafe(ttl) }),
  ...(repository === undefined ? {} : { repository: present({ url: repository.url, ref: repository.ref }) })
})

/** The agents at a server, as pools and handles use them. */
export interface RemoteAgents {
  readonly group: Orchestrator.AgentGroup
  readonly launch: (spec: Agents.LaunchSpec) => Effect.Effect<Agent.Agent, Failure>
  readonly launchScoped: (spec: Agents.LaunchSpec) => Effect.Effect<Agent.Agent, Failure, Scope.Scope>
  readonly terminate: (id: Id.AgentId) => Effect.Effect<Agent.Agent, Failure>
}

const sandboxFailed = (operation: string) => (cause: SandboxError.SandboxError) =>
  new OrchestratorError.OrchestratorError({
    operation,
    reason: new OrchestratorError.SandboxFailed({ cause })
  })

const within =
  (operation: string) =>
  <A>(work: Effect.Effect<A, SandboxError.SandboxError>) =>
    Effect.mapError(work, sandboxFailed(operation))

/** Makes handles on the agents at a server. */
const handles = (connection: Connection, queries: RemoteQueries) => {
  const { client, failures } = connection
  const call = <A>(operation: string, request: Effect.Effect<A, Raw>): Effect.Effect<A, Failure> =>
    Effect.mapError(request, failures.orchestrator(operation))
  const queryOf = QueryHandle.make(queries)

  const handleOf = (record: Agent.Agent): AgentHandle.AgentHandle => {
    const { id } = record
    const params = { id }
    const sandbox = RemoteSandbox.make(
      connection,
      id,
      record.binding?.sandboxId ?? Id.SandboxId.make("unknown")
    )
    const { files } = sandbox
    const started = (text: string, options?: Parameters<AgentHandle.AgentHandle["start"]>[1]) =>
      Effect.map(queries.start(id, text, options), queryOf)
    return {
      id,
      record,
      refresh: Effect.map(call("get", client.agents.get({ params })), ({ body }) => body),
      info: call("info", client.agents.info({ params })),
      health: call("health", client.agents.health({ params })) as AgentHandle.AgentHandle["health"],
      query: (text, options) => queries.query(id, text, options),
      stream: (text, options) => queries.stream(id, text, options),
      start: started,
      enqueue: started,
      pause: (options = {}) => call("pause", client.agents.pause({ params, payload: present(options) })),
      resume: call("resume", client.agents.resume({ params })),
      terminate: call("terminate", client.agents.terminate({ params })),
      update: ({ whenRunning } = {}) =>
        Effect.map(
          call("update", client.agents.update({ params, payload: present({ whenRunning }) })),
          ({ from, to }) => ({ from, to })
        ),
      replace: ({ env, keepFailed } = {}) =>
        call(
          "replace",
          client.agents.replace({ params, payload: present({ env: revealed(env), keepFailed }) })
        ),
      fork: (options = {}) =>
        Effect.map(
          call("fork", client.agents.fork({ params, payload: launchPayload(options) })),
          ({ body }) => handleOf(body)
        ),
      rename: (name) =>
        Effect.map(
          call("rename", client.agents.change({ params, headers: {}, payload: { name } })),
          ({ body }) => body
        ),
      label: (labels) =>
        Effect.map(
          call(
            "label",
            client.agents.change({
              params,
              headers: {},
              payload: {
                labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, value ?? null]))
              }
            })
          ),
          ({ body }) => body
        ),
      withExclusiveAccess: (operation) =>
        Effect.fail(failures.ofStore(operation)(failures.unsupported(operation))),
      sandbox: () => Effect.succeed(sandbox),
      exec: (command) => within("exec")(sandbox.exec(command)),
      spawn: (command, { input } = {}) =>
        Stream.mapError(sandbox.spawn(command, input), sandboxFailed("spawn")),
      files: {
        read: (...all) => within("read")(files.read(...all)),
        readString: (...all) => within("read")(files.readString(...all)),
        write: (...all) => within("write")(files.write(...all)),
        list: (...all) => within("listFiles")(files.list(...all)),
        stat: (...all) => within("stat")(files.stat(...all)),
        remove: (...all) => within("remove")(files.remove(...all)),
        rename: (...all) => within("renameFile")(files.rename(...all)),
        makeDir: (...all) => within("makeDir")(files.makeDir(...all))
      },
      host: (port) => within("host")(sandbox.host(port))
    }
  }
  return handleOf
}

/** The agents at a server. */
export const make = (connection: Connection, queries: RemoteQueries): RemoteAgents => {
  const { client, failures, profile } = connection
  const call = <A>(operation: string, request: Effect.Effect<A, Raw>): Effect.Effect<A, Failure> =>
    Effect.mapError(request, failures.orchestrator(operation))
  const handleOf = handles(connection, queries)

  const launch: RemoteAgents["launch"] = Effect.fn("RemoteAgents.launch")((spec) =>
    Effect.map(
      call(
        "launch",
        once((headers) =>
          client.agents.launch({
            headers,
            payload: launchPayload({ ...spec, profile: spec.profile ?? profile })
          })
        )
      ),
      ({ body }) => body
    )
  )

  const terminate: RemoteAgents["terminate"] = Effect.fn("RemoteAgents.terminate")((id) =>
    call("terminate", client.agents.terminate({ params: { id } }))
  )

  const launchScoped: RemoteAgents["launchScoped"] = (spec) =>
    Effect.acquireRelease(
      launch({ ...spec, ttl: spec.ttl ?? passingTtl, persistent: false }),
      ({ id }) =>
        terminate(id).pipe(
          Effect.catch((error) => Effect.logError("An agent could not be terminated", error))
        ),
      // The server undoes a launch whose request is cut off.
      { interruptible: true }
    )

  const list: Orchestrator.AgentGroup["list"] = (filter = {}) =>
    Stream.paginate<Id.AgentId | undefined, Agent.Agent, Failure>(undefined, (after) =>
      Effect.map(
        call("list", client.agents.list({ query: { ...agentQuery(filter), ...present({ after }) } })),
        ({ items, next }) => [items, next === undefined ? Option.none() : Option.some(Id.AgentId.make(next))]
      )
    )

  return {
    launch,
    launchScoped,
    terminate,
    group: {
      launch: (spec = {}) => Effect.map(launch(spec), handleOf),
      launchScoped: (spec = {}) => Effect.map(launchScoped(spec), handleOf),
      get: (id) =>
        Effect.map(call("get", client.agents.get({ params: { id } })), ({ body }) => handleOf(body)),
      of: handleOf,
      list,
      observe: (filter = {}) =>
        Stream.fromIterableEffect(
          call("observe", client.agents.observe({ query: agentQuery(Struct.omit(filter, ["name"])) }))
        ),
      find: (text) => call("find", client.agents.find({ query: { text } }))
    }
  }
}
