/**
 * An agent that outlives the program. Run it twice with the same folder: the first run launches the agent, asks it and
 * puts it to sleep; the second finds it, wakes it, asks on in the same conversation, and ends it.
 *
 *     node examples/persistent.ts ./research
 *     node examples/persistent.ts ./research
 *
 * Sandboxes on this machine need a server that outlives the program, too: `LocalSandboxes.layerDaemon` starts this same file
 * again as that server. With `E2bSandboxes.layerConfig` there is no such thing.
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
  const orchestrator = yield* Orchestrator.Orchestrator
  const agent = yield* orchestrator.agents.launch({ persistent: true, labels: { topic: session } })
  const { answer } = yield* agent.query("What was Tesla's revenue in 2023?", { session })
  yield* Console.log(answer)
  const { status } = yield* agent.pause()
  yield* Console.log(`The agent is ${status}. Run me again.`)
})

const goOn = Effect.fnUntraced(function* (found: Agent.Agent) {
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
  const asleep = yield* agents.list().pipe(
    Stream.filter(({ status }) => status === "paused" || status === "active"),
    Stream.runHead
  )
  yield* Option.match(asleep, { onNone: () => begin, onSome: goOn })
})

const state = SqlStateStore.layerSqlite({ path: join(folder, "state.sqlite") })

/** The state has an owner, which is stamped on every sandbox, so that the reaper touches no other. */
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
