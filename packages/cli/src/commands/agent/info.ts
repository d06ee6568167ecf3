import { TokenUsage as UsageOf } from "@remote-agent/domain"
import { type AgentLifecycle, Orchestrator } from "@remote-agent/orchestrator"
import { DateTime, Effect } from "effect"
import * as App from "../../app/App.ts"
import * as Documents from "../../ui/json.ts"
import * as Elapsed from "../../ui/Elapsed.ts"
import type { Run } from "../../ui/Failure.ts"
import * as Labels from "./Labels.ts"
import * as Provider from "../../app/agentProvider.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"

/** The flags of `info`. */
export interface InfoFlags extends App.AppFlags {
  readonly agent: string
  readonly json: boolean
}

const documentOf = Effect.fnUntraced(function* (info: AgentLifecycle.AgentInfo) {
  const { agent, current, endsAt, queue, sandbox } = info
  return {
    agent: yield* Documents.ofAgent(agent),
    sandbox,
    endsAt: endsAt === undefined ? null : DateTime.formatIso(endsAt),
    current: current === undefined ? null : yield* Documents.ofQueryRecord(current),
    queue: yield* Effect.forEach(queue, Documents.ofQueryRecord)
  }
})

const usageOf = ({ usage }: AgentLifecycle.AgentInfo["agent"]): string => {
  const money = usage.costUsd === undefined ? "" : `, ${usage.costUsd.toFixed(4)} US dollars`
  return `${UsageOf.totalTokens(usage)} tokens, ${Elapsed.exact(usage.wallMillis)} of answering${money}`
}

const rowsOf = ({ agent, current, endsAt, queue, sandbox }: AgentLifecycle.AgentInfo) => {
  const { binding, repository } = agent
  const rows: ReadonlyArray<readonly [string, string | undefined]> = [
    ["id", agent.id],
    ["name", agent.name],
    ["status", agent.detail === undefined ? agent.status : `${agent.status}: ${agent.detail}`],
    ["profile", agent.profile],
    ["pool", agent.pool],
    ["labels", Labels.toText(agent.labels) || undefined],
    ["sandbox", binding === undefined ? sandbox : `${sandbox} (${binding.sandboxId} at ${binding.provider})`],
    // The end of a life that does not go on is none.
    [
      agent.persistent ? "pauses" : "ends",
      endsAt === undefined || sandbox === "paused" ? undefined : DateTime.formatIso(endsAt)
    ],
    [
      "repository",
      repository === undefined ? undefined : [repository.url, repository.ref].filter(Boolean).join(" ")
    ],
    ["answers", current === undefined ? undefined : `${current.id} ${current.text}`],
    ["waiting", queue.length === 0 ? undefined : queue.map(({ id }) => id).join(", ")],
    ["queries", String(agent.queryCount)],
    ["used", usageOf(agent)],
    ["created", DateTime.formatIso(agent.createdAt)],
    ["asked", agent.lastQueryAt === undefined ? undefined : DateTime.formatIso(agent.lastQueryAt)]
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
}

/** Prints an agent with how its sandbox is and what it answers. Wakes nothing. */
export const run = Effect.fn("info")(function* (flags: InfoFlags): Run {
  const { out } = yield* Screen
  const [agent, there] = yield* Provider.find(flags, flags.agent)
  const look = Effect.flatMap(Orchestrator.Orchestrator, (all) => all.info(agent.id))
  const info = yield* Effect.provide(look, App.durable(there))
  yield* line(
    out,
    flags.json ? JSON.stringify(yield* documentOf(info)) : Table.render(rowsOf(info)).join("\n")
  )
})
