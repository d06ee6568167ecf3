import { type Agent, type Id, type OrchestratorError, type Query } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Effect, type Scope, Stream } from "effect"
import type { Health } from "./agents/AgentHealth.ts"
import type { AgentInfo, AgentLifecycle, AgentOperationOptions } from "./agents/AgentLifecycle.ts"
import type { AgentSandboxes, AgentSandboxOptions } from "./agents/AgentSandboxes.ts"
import type { Agents, ReplaceOptions } from "./agents/Agents.ts"
import type { ForkAgent, ForkOptions } from "./queries/ForkAgent.ts"
import type { Queries, QueryOptions } from "./queries/Queries.ts"
import type { EventLog } from "./queries/QueryRun.ts"
import * as QueryHandle from "./queries/QueryHandle.ts"
import type { Updated } from "./runtime/AgentRuntime.ts"
import type { AgentSandbox } from "./runtime/setup/SetUp.ts"

type Failure = OrchestratorError.OrchestratorError

/**
 * The files in the sandbox of an agent. Relative paths start at its home folder.
 *
 * @category models
 * @since 0.1.0
 */
export type AgentFiles = {
  readonly [Method in "read" | "readString" | "write" | "list" | "stat" | "remove" | "rename" | "makeDir"]: (
    ...args: Parameters<Sandbox.SandboxFiles[Method]>
  ) => Effect.Effect<Effect.Success<ReturnType<Sandbox.SandboxFiles[Method]>>, Failure>
}

/**
 * How a command is run in the sandbox of an agent.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpawnOptions extends AgentSandboxOptions {
  /** What the command reads as it comes, in place of `stdin`. */
  readonly input?: Stream.Stream<Uint8Array> | undefined
}

/**
 * One agent: its queries, its life cycle, and its sandbox.
 *
 * **Details**
 *
 * A handle holds no connection and keeps nothing alive. Any process with the same state can make one, from an id with
 * `agents.get` or from a record with `agents.of`. Every method reads the state again, so a handle is never out of
 * date; only its `record` is as it was.
 *
 * **Gotchas**
 *
 * A query, a command or an access to files resumes a paused agent, unless `resume` is `false`; then it fails with
 * `AgentPaused`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AgentHandle {
  readonly id: Id.AgentId
  /** The agent as it was when the handle was made. `refresh` reads it again. */
  readonly record: Agent.Agent
  /** Reads the record of the agent. */
  readonly refresh: Effect.Effect<Agent.Agent, Failure>
  /** Describes the agent, its sandbox, and its current and queued queries. Does not resume it. */
  readonly info: Effect.Effect<AgentInfo, Failure>
  /** Checks the agent, its sandbox and its machine. Does not resume it; a check that cannot be made is skipped. */
  readonly health: Effect.Effect<Health, Failure>

  /**
   * Runs a query and waits for its answer. The queries of one agent run one after the other.
   *
   * **Details**
   *
   * Fails with `QueryFailed` when the query ends without an answer, with `AgentNotReady` when the agent takes no
   * queries, and with `AgentLost` when the provider confirms that its sandbox is gone.
   */
  readonly query: (text: string, options?: QueryOptions) => Effect.Effect<Query.QueryResult, Failure>
  /**
   * Runs a query and streams its events, each after it was stored. The last event is the only `result`, whatever the
   * outcome.
   *
   * **Gotchas**
   *
   * Leaving the stream cancels the query. Use `start` for a query that outlives its reader.
   */
  readonly stream: (text: string, options?: QueryOptions) => EventLog
  /**
   * Starts a query and returns its handle once its program runs in the sandbox, where it goes on after this process
   * has ended. Waits for the queries before it.
   */
  readonly start: (text: string, options?: QueryOptions) => Effect.Effect<QueryHandle.QueryHandle, Failure>
  /**
   * Records a query and returns its handle at once. The query waits until a process follows its `events`, which runs it
   * after the queries before it.
   */
  readonly enqueue: (text: string, options?: QueryOptions) => Effect.Effect<QueryHandle.QueryHandle, Failure>

  /**
   * Pauses the agent: its sandbox keeps memory and files. Succeeds when it is paused already. Fails with
   * `QueryRunning` while a query runs, unless `whenRunning` says to wait for it or to cancel it.
   */
  readonly pause: (options?: AgentOperationOptions) => Effect.Effect<Agent.Agent, Failure>
  /** Resumes the agent. Succeeds when it is not paused. */
  readonly resume: Effect.Effect<Agent.Agent, Failure>
  /** Terminates the agent and its sandbox, with all files in it. Succeeds when it is terminated already. */
  readonly terminate: Effect.Effect<Agent.Agent, Failure>
  /**
   * Updates the program of the agent to what its profile says now. Fails with `UpdateFailed`, which says whether the
   * agent was restored to what it was before.
   */
  readonly update: (options?: AgentOperationOptions & AgentSandboxOptions) => Effect.Effect<Updated, Failure>
  /** Gives an agent that was lost or has failed a new and empty sandbox. Its id stays the same. */
  readonly replace: (options?: ReplaceOptions) => Effect.Effect<Agent.Agent, Failure>
  /**
   * Launches a second agent of the same profile that continues the conversations of this one. Only the files that hold
   * conversations are copied.
   *
   * **Details**
   *
   * Fails like `launch`, with `QueryRunning` while a query runs, with `NoSessions` when the profile keeps no
   * conversations, and with `SandboxFailed` when they take more than 64 MiB.
   */
  readonly fork: (options?: ForkOptions) => Effect.Effect<AgentHandle, Failure>
  readonly rename: (name: Agent.AgentName) => Effect.Effect<Agent.Agent, Failure>
  /** Sets labels and removes those whose value is `undefined`. Other labels stay. */
  readonly label: (
    labels: Readonly<Record<string, string | undefined>>
  ) => Effect.Effect<Agent.Agent, Failure>
  /**
   * Runs work in the sandbox of the agent while no query runs and no other process uses the agent. `operation` names
   * the work in errors.
   *
   * **Details**
   *
   * Fails with `QueryRunning` like `pause`, and with `TakenOver`, which interrupts the work, when this process loses
   * the agent's lock.
   */
  readonly withExclusiveAccess: <A, E, R>(
    operation: string,
    work: (sandbox: AgentSandbox) => Effect.Effect<A, E, R>,
    options?: AgentOperationOptions & AgentSandboxOptions
  ) => Effect.Effect<A, E | Failure, R>

  /** The sandbox of the agent, kept alive until the scope closes. */
  readonly sandbox: (options?: AgentSandboxOptions) => Effect.Effect<Sandbox.Sandbox, Failure, Scope.Scope>
  /** Runs a command to its end. An exit code other than 0 is a result, not a failure. */
  readonly exec: (
    command: Sandbox.Command,
    options?: AgentSandboxOptions
  ) => Effect.Effect<Sandbox.ExecResult, Failure>
  /** Runs a command and streams its output. Leaving the stream kills the command. */
  readonly spawn: (
    command: Sandbox.Command,
    options?: SpawnOptions
  ) => Stream.Stream<Sandbox.ProcessEvent, Failure>
  readonly files: AgentFiles
  /** The address of a server that listens on a port in the sandbox. */
  readonly host: (port: number, options?: AgentSandboxOptions) => Effect.Effect<Sandbox.Host, Failure>
}

/** The parts that a handle composes. */
interface Parts {
  readonly agents: Agents
  readonly lifecycle: AgentLifecycle
  readonly queries: Queries
  readonly sandboxes: AgentSandboxes
  readonly fork: ForkAgent
}

const filesOf = (sandboxes: AgentSandboxes, id: Id.AgentId): AgentFiles => {
  const { use } = sandboxes
  return {
    read: (path, how) => use("read", id, ({ files }) => files.read(path, how)),
    readString: (path, how) => use("read", id, ({ files }) => files.readString(path, how)),
    write: (path, content) => use("write", id, ({ files }) => files.write(path, content)),
    list: (path) => use("listFiles", id, ({ files }) => files.list(path)),
    stat: (path) => use("stat", id, ({ files }) => files.stat(path)),
    remove: (path) => use("remove", id, ({ files }) => files.remove(path)),
    rename: (from, to) => use("renameFile", id, ({ files }) => files.rename(from, to)),
    makeDir: (path) => use("makeDir", id, ({ files }) => files.makeDir(path))
  }
}

/** Makes handles on agents. */
export const make = ({ agents, fork, lifecycle, queries, sandboxes }: Parts) => {
  const handleOf = (record: Agent.Agent): AgentHandle => {
    const { id } = record
    return {
      id,
      record,
      refresh: agents.get(id),
      info: lifecycle.info(id),
      health: lifecycle.health(id),
      query: (text, options) => queries.query(id, text, options),
      stream: (text, options) => queries.stream(id, text, options),
      start: (text, options) => Effect.map(queries.start(id, text, options), QueryHandle.make(queries)),
      enqueue: (text, options) => Effect.map(queries.enqueue(id, text, options), QueryHandle.make(queries)),
      pause: (options) => lifecycle.pause(id, options),
      resume: lifecycle.resume(id),
      terminate: agents.terminate(id),
      update: (options) => lifecycle.update(id, options),
      replace: (options) => agents.replace(id, options),
      fork: (options) => Effect.map(fork(id, options), handleOf),
      rename: (name) => lifecycle.rename(id, name),
      label: (labels) => lifecycle.label(id, labels),
      withExclusiveAccess: (operation, work, options) =>
        lifecycle.withExclusiveAccess(operation, id, work, options),
      sandbox: (options) => sandboxes.open("sandbox", id, options),
      exec: (command, options) => sandboxes.use("exec", id, (sandbox) => sandbox.exec(command), options),
      spawn: (command, { input, ...options } = {}) =>
        Stream.scoped(
          Stream.unwrap(
            Effect.map(sandboxes.open("spawn", id, options), (sandbox) =>
              Stream.catch(sandbox.spawn(command, input), (error) =>
                Stream.fromEffect(sandboxes.classifyFailure("spawn", id)(error))
              )
            )
          )
        ),
      files: filesOf(sandboxes, id),
      host: (port, options) => sandboxes.use("host", id, (sandbox) => sandbox.host(port), options)
    }
  }
  return handleOf
}
