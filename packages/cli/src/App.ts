import { Config, type SandboxError } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { E2b, Local, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Layer, Redacted } from "effect"
import { type Environment, Usage } from "./Failure.ts"
import { Host } from "./Host.ts"
import { line, Screen } from "./Screen.ts"
import { Secrets } from "./Secrets.ts"
import * as Settings from "./Settings.ts"

/** The flags that every command that runs agents takes. */
export interface AppFlags {
  readonly provider?: string | undefined
  readonly profile?: string | undefined
  readonly isolation?: string | undefined
}

/** The environment of sandboxes: `NAME=value`, or `NAME` for the value that it has here, which no list of processes shows. */
export const environment = Effect.fnUntraced(function* (flags: ReadonlyArray<string>) {
  const [{ env }, secrets] = [yield* Host, yield* Secrets]
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

type Provider = Layer.Layer<
  Sandboxes.Sandboxes,
  Config.ConfigError | SandboxError.SandboxError,
  Config.Config | Host
>

const provider: Provider = Layer.unwrap(
  Effect.gen(function* () {
    const [{ REMOTE_AGENT_PROVIDER: name }, host] = [yield* Config.Config, yield* Host]
    host.leftovers(leftovers[name])
    const chosen: Provider = name === "e2b" ? E2b.layerConfig : Local.layerConfig
    return chosen
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

/** The orchestrator with everything below it, as the flags and the configuration say. */
export const layer = ({
  isolation,
  profile,
  provider: providerName
}: AppFlags): Layer.Layer<
  Orchestrator.Orchestrator | Sandboxes.Sandboxes,
  Config.ConfigError | SandboxError.SandboxError,
  Environment
> =>
  Orchestrator.layer.pipe(
    Layer.provideMerge(Layer.provideMerge(notice, provider)),
    Layer.provideMerge(
      Settings.layer({
        REMOTE_AGENT_ISOLATION: isolation,
        REMOTE_AGENT_PROFILE: profile,
        REMOTE_AGENT_PROVIDER: providerName
      })
    )
  )
