/**
 * An agent that outlives the program. Run it twice with the same folder: the first run launches the agent, queries it
 * and pauses it. The second run finds it, resumes it, continues the conversation, and terminates it.
 *
 *     node examples/persistent.ts ./research
 *     node examples/persistent.ts ./research
 *
 * Local sandboxes need a server that also outlives the program: `LocalSandboxes.layerDaemon` starts this file again as
 * that server. At E2B no such server is needed, and `layer({ state })` of `remote-agent/e2b` replaces all of the layers
 * below.
 */
import { runMain } from "@effect/platform-node/NodeRuntime"
import { type Agent, RemoteAgentConfig } from "@remote-agent/domain"
import { Daemon, DaemonStart } from "@remote-agent/e2b-local"
import { AgentRuntime, Orchestrator, StateOwner, Profiles, SqlStateStore } from "@remote-agent/orchestrator"
import { LocalSandboxes } from "@remote-agent/sandbox"
import { Console, Effect, Layer, Option, Stream } from "effect"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const [, , folderName = "remote-agent-example", role = "client"] = process.argv
const folder = resolve(folderName)
const version = "1"
const session = "tesla"

const begin = Effect.gen(function* () {
  const { agents } = yield* Orchestrator.Orchestrator
  const agent = yield* agents.launch({ persistent: true, labels: { topic: session } })
  const { answer } = yield* agent.query("What was Tesla's revenue in 2023?", { session })
  yield* Console.log(answer)
  const { status } = yield* agent.pause()
  yield* Console.log(`The agent is ${status}. Run me again.`)
})

const resume = Effect.fnUntraced(function* (found: Agent.Agent) {
  const { agents } = yield* Orchestrator.Orchestrator
  yield* Console.log(`Found an agent that is ${found.status} and has answered ${found.queryCount}.`)
  const agent = agents.of(found)
  yield* agent.resume
  const { answer } = yield* agent.query("And in 2024?", { session })
  yield* Console.log(answer)
  const { status } = yield* agent.terminate
  yield* Console.log(`The agent is ${status}.`)
  yield* DaemonStart.stop(folder, false)
})

const program = Effect.gen(function* () {
  const { agents } = yield* Orchestrator.Orchestrator
  const existing = yield* agents.list().pipe(
    Stream.filter(({ status }) => status === "paused" || status === "active"),
    Stream.runHead
  )
  yield* Option.match(existing, { onNone: () => begin, onSome: resume })
})

const state = SqlStateStore.layerSqlite({ path: join(folder, "state.sqlite") })

/** Each sandbox carries the owner of the state as a label, and the reaper touches no sandbox of another owner. */
const config = Layer.unwrap(
  Effect.map(StateOwner.StateOwner, (owner) => RemoteAgentConfig.layerFrom({ REMOTE_AGENT_OWNER: owner }))
)

const layer = Orchestrator.layerNoDeps.pipe(
  Layer.provide(AgentRuntime.layer),
  Layer.provideMerge(Profiles.layer()),
  Layer.provide(
    LocalSandboxes.layerDaemon({
      folder,
      version,
      command: [process.execPath, fileURLToPath(import.meta.url), folder, "server"],
      env: { PATH: process.env["PATH"] ?? "" }
    })
  ),
  Layer.provide(config),
  Layer.provideMerge(state)
)

const server = Effect.asVoid(Daemon.serve({ folder, version, background: true, idle: "10 minutes" }))

runMain(role === "server" ? server : Effect.provide(program, layer))
