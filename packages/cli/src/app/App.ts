import { RemoteAgentConfig } from "@remote-agent/domain"
import { GitHub, GitWorkspace } from "@remote-agent/github"
import {
  AgentRuntime,
  Orchestrator,
  Profiles,
  Repositories,
  type SqlStateStore
} from "@remote-agent/orchestrator"
import { E2bSandboxes, LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Layer, Path, Redacted } from "effect"
import { type Environment, type Failure, Usage } from "../ui/Failure.ts"
import { CommandHost } from "../process/CommandHost.ts"
import * as LocalDaemon from "./LocalDaemon.ts"
import { line, Screen } from "../ui/Screen.ts"
import { Redaction } from "../process/redaction.ts"
import * as Settings from "./Settings.ts"
import * as State from "./State.ts"

/** The flags that every command that runs agents takes. */
export interface AppFlags {
  readonly provider?: string | undefined
  readonly profile?: string | undefined
  readonly isolation?: string | undefined
  /** Where the state is kept. */
  readonly state?: string | undefined
}

/** The environment of sandboxes: `NAME=value`, or `NAME` for the value that it has here, which no list of processes shows. */
export const environment = Effect.fnUntraced(function* (flags: ReadonlyArray<string>) {
  const [{ env }, secrets] = [yield* CommandHost, yield* Redaction]
  return yield* Effect.forEach(flags, (flag) => {
    const [, name = "", value] = /^([A-Za-z_]\w*)(?:=(.*))?$/s.exec(flag) ?? []
    const found = value ?? env[name]
    return found === undefined
      ? Effect.fail(
          new Usage({
            message:
              name === ""
                ? "A value of --env is neither NAME nor NAME=value. Names are letters, digits and underscores."
                : `The variable ${name} of --env is not set here. Set it, or say --env ${name}=value.`
          })
        )
      : Effect.sync(() => {
          secrets.add([found])
          return [name, Redacted.make(found)] as const
        })
  }).pipe(Effect.map(Object.fromEntries<Redacted.Redacted>))
})

const leftovers = {
  e2b: "Sandboxes at E2B may still run. They end by themselves within 3 minutes.",
  local:
    "Nothing is left running. Folders of sandboxes may be left in the temporary folder until the next start."
}

/** Sandboxes that end with this process, or at E2B. */
const passing = Layer.unwrap(
  Effect.gen(function* () {
    const [{ REMOTE_AGENT_PROVIDER: name }, host] = [
      yield* RemoteAgentConfig.RemoteAgentConfig,
      yield* CommandHost
    ]
    host.leftovers(leftovers[name])
    const chosen: Layer.Layer<Sandboxes.Sandboxes, Failure, RemoteAgentConfig.RemoteAgentConfig> =
      name === "e2b" ? E2bSandboxes.layerConfig : LocalSandboxes.layerConfig
    return chosen
  })
)

/** Sandboxes that outlive this process: at E2B, or of the server of this user. */
const lasting = Layer.unwrap(
  Effect.gen(function* () {
    const { REMOTE_AGENT_ISOLATION: isolation, REMOTE_AGENT_PROVIDER: name } =
      yield* RemoteAgentConfig.RemoteAgentConfig
    const { leftovers: tell } = yield* CommandHost
    tell("Agents may still run, and a query may go on. See with `remote-agent list`.")
    if (name === "e2b") return E2bSandboxes.layerConfig
    const daemon: Layer.Layer<Sandboxes.Sandboxes, Failure> = LocalSandboxes.layerDaemon(
      yield* LocalDaemon.options({ isolation: isolation === "auto" ? undefined : isolation })
    )
    return daemon
  })
)

/** Says in one line when sandboxes are not what the name promises. */
const notice = Layer.effectDiscard(
  Effect.gen(function* () {
    const [{ isolation }, { note }] = [yield* Sandboxes.Sandboxes, yield* Screen]
    if (isolation === "isolated") return
    yield* line(
      note,
      isolation === "waived"
        ? "Note: sandboxes are plain processes, as --isolation none asks; nothing is kept from them."
        : "Note: this machine cannot isolate sandboxes, so agents of our own run as plain processes; others are refused. Install bubblewrap for isolation."
    )
  })
)

/** Everything that a command works with whose agents outlive it: their records, and where they live. */
export type Durable =
  | RemoteAgentConfig.RemoteAgentConfig
  | GitHub.GitHub
  | GitWorkspace.GitWorkspace
  | Orchestrator.Orchestrator
  | Profiles.Profiles
  | Sandboxes.Sandboxes
  | SqlStateStore.State

const orchestrator = Orchestrator.layerNoDeps.pipe(
  Layer.provide(AgentRuntime.layer),
  Layer.provideMerge(Profiles.layer())
)

/** GitHub, and git in sandboxes, whose copies of repositories are kept in the data folder. */
const github: Layer.Layer<
  GitHub.GitHub | GitWorkspace.GitWorkspace,
  Failure,
  RemoteAgentConfig.RemoteAgentConfig | Environment
> = Layer.unwrap(
  Effect.gen(function* () {
    const [path, { dataFolder, env }] = [yield* Path.Path, yield* CommandHost]
    return GitWorkspace.layerConfig({
      cache: { directory: path.join(dataFolder, "repositories") },
      host: { path: env["PATH"] },
      lazy: true
    })
  })
).pipe(Layer.provideMerge(GitHub.layer))

/** Fails with `Usage` where the state ends with the command: nobody would know of agents that outlive it. */
const lastingState = Layer.effectDiscard(
  Effect.gen(function* () {
    const { REMOTE_AGENT_STATE: location } = yield* RemoteAgentConfig.RemoteAgentConfig
    if (location?._tag !== "Memory") return
    return yield* new Usage({
      message:
        "A state in memory ends with this command, and nobody would know of its agents. Set REMOTE_AGENT_STATE to a file or a database."
    })
  })
)

/** The orchestrator of agents that outlive the command, as the flags and the configuration say. */
export const durable = (flags: AppFlags): Layer.Layer<Durable, Failure, Environment> =>
  orchestrator.pipe(
    Layer.provideMerge(github),
    Layer.provideMerge(Layer.provideMerge(notice, lasting)),
    Layer.provideMerge(lastingState),
    Layer.provideMerge(State.layer(flags))
  )

/** GitHub alone, without sandboxes and agents. */
export const onlyGitHub: Layer.Layer<
  GitHub.GitHub | RemoteAgentConfig.RemoteAgentConfig,
  Failure,
  Environment
> = Layer.provideMerge(GitHub.layer, Settings.layer({}))

/** {@link durable}, and the repositories of its agents. */
export const repositories = (
  flags: AppFlags
): Layer.Layer<Durable | Repositories.Repositories, Failure, Environment> =>
  Layer.provideMerge(Repositories.layer, durable(flags))

/**
 * The orchestrator of agents that end with the command. On this machine they need no state that outlives it; at E2B
 * they have it, so that what a crash leaves there can be found and ended.
 */
export const layer = (
  flags: AppFlags
): Layer.Layer<
  Orchestrator.Orchestrator | Sandboxes.Sandboxes | Profiles.Profiles | RemoteAgentConfig.RemoteAgentConfig,
  Failure,
  Environment
> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const found = yield* Settings.sources(Settings.ofFlags(flags))
      const settings = Settings.layerOf(found)
      const { REMOTE_AGENT_PROVIDER: provider } = yield* Effect.provide(
        RemoteAgentConfig.RemoteAgentConfig,
        settings
      )
      const passed = Layer.provideMerge(notice, passing)
      return provider === "e2b"
        ? orchestrator.pipe(Layer.provideMerge(passed), Layer.provideMerge(State.layerOf(found)))
        : Orchestrator.layer.pipe(Layer.provideMerge(passed), Layer.provideMerge(settings))
    })
  )
