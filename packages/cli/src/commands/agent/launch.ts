import { Agent } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Duration, Effect, Option, Path, Schema } from "effect"
import { Flag } from "effect/cli"
import { pathToFileURL } from "node:url"
import * as App from "../../app/App.ts"
import type { Run } from "../../app/Environment.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { Usage } from "../../ui/Failure.ts"
import * as Json from "../../ui/json.ts"
import * as LaunchStages from "../../ui/launchStages.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import * as Budget from "../shared/budget.ts"
import { command } from "../shared/command.ts"
import { app, budget, onOff, optional, repeatable, text } from "../shared/flags.ts"
import { seconds } from "../shared/time.ts"
import * as SandboxEnv from "../shared/sandboxEnv.ts"
import * as AgentName from "../shared/agentName.ts"
import * as Labels from "../shared/labels.ts"

const decodeRepository = Schema.decodeUnknownOption(Agent.Repository)

interface RepositoryFlags {
  readonly repository?: string | undefined
  readonly ref?: string | undefined
  readonly submodules?: "ignore" | undefined
  readonly lfs?: "pointers" | undefined
}

const repositoryOf = Effect.fnUntraced(function* ({
  repository: url,
  ...flags
}: RepositoryFlags): Effect.fn.Return<Agent.Repository | undefined, Usage, CommandHost | Path.Path> {
  const given = { ref: flags.ref, submodules: flags.submodules, lfs: flags.lfs }
  const how = Object.entries(given).filter(([, value]) => value !== undefined)
  const [first] = how
  if (url === undefined) {
    if (first === undefined) return undefined
    return yield* new Usage({ message: `--${first[0]} needs a repository. Name it with --repository.` })
  }
  const [{ cwd }, path] = [yield* CommandHost, yield* Path.Path]
  // A path that begins with `.` or `/` is a folder; `owner/name` is a repository of the server.
  const isFolder = /^(?:\.{1,2}(?:\/|$)|\/)/.test(url)
  const address = isFolder ? pathToFileURL(path.resolve(cwd, url)).href : url
  const decoded = decodeRepository({ url: address, ...Object.fromEntries(how) })
  if (Option.isSome(decoded)) return decoded.value
  return yield* new Usage({
    message:
      "The address of --repository contains a password or a token. Leave it out: GITHUB_TOKEN is used where it is needed."
  })
})

const kept = "The sandbox of a failed launch is kept.\n  remote-agent list --status failed"

/** `launch`. */
export const launch = command({
  name: "launch",
  description: "Launch an agent that outlives this command, and print its id",
  flags: {
    name: text("name", "The name of the agent (default: generated from the profile)"),
    ...app,
    ephemeral: onOff("ephemeral", "Delete its sandbox, and do not pause it, when its ttl is over"),
    ttl: seconds(
      "ttl",
      "How long its sandbox runs without a query: 90, 5m, 1h30m (default: E2B_DEFAULT_TIMEOUT)"
    ),
    label: repeatable("label", "A label: key=value"),
    repository: text(
      "repository",
      "The repository it works on: owner/name, an address, or a folder here such as ./project"
    ),
    ref: text("ref", "The branch, tag or commit of the repository"),
    submodules: optional(
      Flag.Literals("submodules", ["ignore"]).pipe(
        Flag.withDescription("Leave the folders of submodules empty (default: refuse submodules)")
      )
    ),
    lfs: optional(
      Flag.Literals("lfs", ["pointers"]).pipe(
        Flag.withDescription("Keep the pointers in place of files in Git LFS (default: refuse such files)")
      )
    ),
    ...budget("all queries of the agent"),
    keepFailed: onOff("keep-failed", "Keep the sandbox of a launch that fails, to look into it")
  },
  examples: [
    { command: "remote-agent launch --name analyst", description: "On this machine, with the sample agent" },
    {
      command: "remote-agent launch --profile claude-code --label team=research --budget-usd 5",
      description: "With a label and a budget"
    }
  ],
  run: Effect.fn("launch")(function* (flags): Run {
    const { note, out } = yield* Screen
    const spec = {
      name: flags.name === undefined ? undefined : yield* AgentName.parse(flags.name),
      labels: yield* Labels.pairs(flags.label),
      env: yield* SandboxEnv.parse(flags.env),
      repository: yield* repositoryOf(flags),
      budget: Budget.of(flags),
      ttl: flags.ttl === undefined ? undefined : Duration.seconds(flags.ttl),
      persistent: flags.ephemeral ? false : undefined,
      keepFailed: flags.keepFailed
    }
    const launched = Effect.gen(function* () {
      const { agents } = yield* Orchestrator.Orchestrator
      const onStage = flags.json ? undefined : yield* LaunchStages.make(note)
      return (yield* agents.launch({ ...spec, onStage })).record
    })
    const agent = yield* Effect.provide(Effect.scoped(launched), App.durable(flags)).pipe(
      Effect.tapError((error) =>
        flags.keepFailed && error._tag === "OrchestratorError" && error.reason._tag === "LaunchFailed"
          ? line(note, kept)
          : Effect.void
      )
    )
    if (flags.json) return yield* line(out, jsonText(yield* Json.ofAgent(agent)))
    yield* line(out, agent.id)
    yield* line(note, `${agent.name} is ${agent.status}.\n  remote-agent query ${agent.name} "..."`)
  })
})
