import { RemoteAgentConfig } from "@remote-agent/domain"
import { GitHub, GitWorkspace } from "@remote-agent/github"
import { AgentRuntime, Orchestrator, Profiles, Repositories } from "@remote-agent/orchestrator"
import { E2bSandboxes, LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Layer, Option, Path } from "effect"
import { CommandHost } from "../process/CommandHost.ts"
import { type Failure, Usage } from "../ui/Failure.ts"
import { line, Screen } from "../ui/Screen.ts"
import type { Environment } from "./Environment.ts"
import * as LocalDaemon from "./LocalDaemon.ts"
import { ServerTarget, type Target } from "./ServerTarget.ts"
import * as Settings from "./Settings.ts"
import * as State from "./State.ts"

type Config = RemoteAgentConfig.RemoteAgentConfig

const leftovers = {
  e2b: "Sandboxes at E2B may still run. They stop by themselves within 3 minutes.",
  local:
    "Nothing is left running. Folders of sandboxes may be left in the temporary folder until the next start."
}

/** Sandboxes that stop with this process. */
const passing = Layer.unwrap(
  Effect.gen(function* () {
    const [{ REMOTE_AGENT_PROVIDER: name }, host] = [
      yield* RemoteAgentConfig.RemoteAgentConfig,
      yield* CommandHost
    ]
    host.leftovers(leftovers[name])
    const chosen: Layer.Layer<Sandboxes.Sandboxes, Failure, Config> =
      name === "e2b" ? E2bSandboxes.layerConfig : LocalSandboxes.layerConfig
    return chosen
  })
)

/** The isolation that a flag, the environment or a file asks for. */
const askedIsolation = (flags: Settings.AppFlags) =>
  Settings.withFlags(flags).pipe(
    Effect.flatMap((sources) =>
      RemoteAgentConfig.text("REMOTE_AGENT_ISOLATION").parse(Settings.merged(sources))
    ),
    Effect.orElseSucceed(() => Option.none<string>())
  )

/** Sandboxes that outlive this process: at E2B, or of the local server. */
const lasting = (flags: Settings.AppFlags) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { REMOTE_AGENT_ISOLATION: isolation, REMOTE_AGENT_PROVIDER: name } =
        yield* RemoteAgentConfig.RemoteAgentConfig
      const { leftovers: report } = yield* CommandHost
      report("Agents may still run, and a query may continue. See `remote-agent list`.")
      if (name === "e2b") return E2bSandboxes.layerConfig
      const isAsked = Option.isSome(yield* askedIsolation(flags))
      const daemon: Layer.Layer<Sandboxes.Sandboxes, Failure> = LocalSandboxes.layerDaemon(
        yield* LocalDaemon.options({ isolation: isAsked ? isolation : undefined })
      )
      return daemon
    })
  )

/** Says in one line when sandboxes are not isolated. */
const notice = Layer.effectDiscard(
  Effect.gen(function* () {
    const [{ isolation }, { note }] = [yield* Sandboxes.Sandboxes, yield* Screen]
    if (isolation === "isolated") return
    yield* line(
      note,
      isolation === "waived"
        ? "Note: sandboxes are plain processes, as --isolation none asks. They can read and write whatever you can."
        : "Note: this machine cannot isolate sandboxes, so only the built-in agents run, as plain processes. Install bubblewrap for isolation."
    )
  })
)

/** Everything that a command needs for agents that outlive it. */
export type Durable =
  | State.Records
  | GitHub.GitHub
  | GitWorkspace.GitWorkspace
  | Orchestrator.Orchestrator
  | Profiles.Profiles
  | Sandboxes.Sandboxes

const orchestrator = Orchestrator.layerNoDeps.pipe(
  Layer.provide(AgentRuntime.layer),
  Layer.provideMerge(Profiles.layer())
)

/** GitHub, and git in sandboxes with a cache of mirrors in the data folder. */
const github: Layer.Layer<GitHub.GitHub | GitWorkspace.GitWorkspace, Failure, Config | Environment> =
  Layer.unwrap(
    Effect.gen(function* () {
      const [path, { dataFolder, env }] = [yield* Path.Path, yield* CommandHost]
      return GitWorkspace.layerConfig({
        cache: { directory: path.join(dataFolder, "repositories") },
        host: { path: env["PATH"] },
        lazy: true
      })
    })
  ).pipe(Layer.provideMerge(GitHub.layer))

/** Fails with `Usage` for a state in memory: it would forget the agents when the command ends. */
const lastingState = Layer.effectDiscard(
  Effect.gen(function* () {
    const { REMOTE_AGENT_STATE: location } = yield* RemoteAgentConfig.RemoteAgentConfig
    if (location?._tag !== "Memory") return
    return yield* new Usage({
      message:
        "A state in memory is lost when this command ends, and its agents with it. Set REMOTE_AGENT_STATE to a file or a database."
    })
  })
)

/** The configuration with the provider where the agents of a command live. */
const configAt = (provider: string | undefined) =>
  provider !== "e2b" && provider !== "local"
    ? Layer.empty
    : Layer.effect(
        RemoteAgentConfig.RemoteAgentConfig,
        Effect.map(RemoteAgentConfig.RemoteAgentConfig, (config) => ({
          ...config,
          REMOTE_AGENT_PROVIDER: provider
        }))
      )

/**
 * The orchestrator of agents that outlive the command, over a state that is already open.
 *
 * **When to use**
 *
 * Use inside of {@link State.layer}, so that the state is opened once per command.
 */
export const agents = (
  flags: Settings.AppFlags
): Layer.Layer<Durable, Failure, State.Records | Environment> =>
  Layer.unwrap(
    Effect.map(ServerTarget, (target) => (target === undefined ? agentsHere(flags) : agentsAt(flags, target)))
  )

/** The services of a server. Its repositories are not those of GitHub here, which some commands use beside them. */
const agentsAt = (
  flags: Settings.AppFlags,
  target: Target
): Layer.Layer<Durable, Failure, State.Records | Environment> =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("./remote/layer.ts")),
      ({ services }) => services(target, flags.profile)
    )
  ).pipe(
    Layer.provideMerge(Profiles.layer()),
    Layer.provideMerge(github),
    Layer.provideMerge(Layer.effectContext(Effect.context<State.Records>()))
  )

const agentsHere = (flags: Settings.AppFlags): Layer.Layer<Durable, Failure, State.Records | Environment> =>
  orchestrator.pipe(
    Layer.provideMerge(github),
    Layer.provideMerge(Layer.provideMerge(notice, lasting(flags))),
    Layer.provideMerge(configAt(flags.provider)),
    Layer.provideMerge(lastingState),
    Layer.provideMerge(Layer.effectContext(Effect.context<State.Records>()))
  )

/** The state and {@link agents} over it. */
export const durable = (flags: Settings.AppFlags): Layer.Layer<Durable, Failure, Environment> =>
  Layer.provideMerge(agents(flags), State.layer(flags))

/** GitHub without sandboxes and agents. */
export const onlyGitHub: Layer.Layer<GitHub.GitHub | Config, Failure, Environment> = Layer.provideMerge(
  GitHub.layer,
  Settings.config()
)

/** {@link agents} and their repositories. */
export const repositories = (
  flags: Settings.AppFlags
): Layer.Layer<Durable | Repositories.Repositories, Failure, State.Records | Environment> =>
  Layer.unwrap(
    Effect.map(
      ServerTarget,
      (target): Layer.Layer<Durable | Repositories.Repositories, Failure, State.Records | Environment> =>
        target === undefined
          ? Layer.provideMerge(Repositories.layer, agentsHere(flags))
          : repositoriesAt(flags, target)
    )
  )

const repositoriesAt = (flags: Settings.AppFlags, target: Target) =>
  Layer.provideMerge(
    Layer.unwrap(
      Effect.map(
        Effect.promise(() => import("./remote/layer.ts")),
        ({ services }) => services(target, flags.profile)
      )
    ),
    agentsAt(flags, target)
  )

/**
 * The orchestrator of agents that are terminated when the command ends.
 *
 * **Details**
 *
 * Local agents need no state that outlives the command. Agents at E2B do, so that `reap` finds what a crash leaves.
 */
export const temporary = (
  flags: Settings.AppFlags
): Layer.Layer<
  Orchestrator.Orchestrator | Sandboxes.Sandboxes | Profiles.Profiles | Config,
  Failure,
  Environment
> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const target = yield* ServerTarget
      if (target !== undefined) return Layer.provideMerge(agentsAt(flags, target), State.layer(flags))
      const found = yield* Settings.withFlags(flags)
      const settings = Settings.layerOf(found)
      const { REMOTE_AGENT_PROVIDER: provider } = yield* Effect.provide(
        RemoteAgentConfig.RemoteAgentConfig,
        settings
      )
      const sandboxes = Layer.provideMerge(notice, passing)
      return provider === "e2b"
        ? orchestrator.pipe(Layer.provideMerge(sandboxes), Layer.provideMerge(State.layerOf(found)))
        : Orchestrator.layer.pipe(Layer.provideMerge(sandboxes), Layer.provideMerge(settings))
    })
  )
