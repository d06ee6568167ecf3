import { TokenUsage } from "@remote-agent/domain"
import { type AgentLifecycle, Orchestrator } from "@remote-agent/orchestrator"
import { DateTime, Effect } from "effect"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import * as Json from "../../ui/json.ts"
import { seconds } from "../../ui/liveLines.ts"
import { line, Screen } from "../../ui/Screen.ts"
import * as Table from "../../ui/Table.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { agent, durable } from "../shared/flags.ts"
import * as Labels from "../shared/labels.ts"

const documentOf = Effect.fnUntraced(function* ({
  agent: found,
  current,
  endsAt,
  queue,
  sandbox
}: AgentLifecycle.AgentInfo) {
  return {
    agent: yield* Json.ofAgent(found),
    sandbox,
    endsAt: endsAt === undefined ? null : DateTime.formatIso(endsAt),
    current: current === undefined ? null : yield* Json.ofQueryRecord(current),
    queue: yield* Effect.forEach(queue, Json.ofQueryRecord)
  }
})

const usageOf = ({ usage }: AgentLifecycle.AgentInfo["agent"]): string => {
  const money = usage.costUsd === undefined ? "" : `, ${usage.costUsd.toFixed(4)} US dollars`
  return `${TokenUsage.totalTokens(usage)} tokens in ${seconds(usage.wallMillis)}${money}`
}

const rowsOf = ({ agent: found, current, endsAt, queue, sandbox }: AgentLifecycle.AgentInfo) => {
  const { binding, repository } = found
  const rows: ReadonlyArray<readonly [string, string | undefined]> = [
    ["id", found.id],
    ["name", found.name],
    ["status", found.detail === undefined ? found.status : `${found.status}: ${found.detail}`],
    ["profile", found.profile],
    ["pool", found.pool],
    ["labels", Labels.toText(found.labels) || undefined],
    ["sandbox", binding === undefined ? sandbox : `${sandbox} (${binding.sandboxId} at ${binding.provider})`],
    // The ttl of a paused sandbox does not run.
    [
      found.persistent ? "pauses" : "ends",
      endsAt === undefined || sandbox === "paused" ? undefined : DateTime.formatIso(endsAt)
    ],
    [
      "repository",
      repository === undefined ? undefined : [repository.url, repository.ref].filter(Boolean).join(" ")
    ],
    ["running", current === undefined ? undefined : `${current.id} ${current.text}`],
    ["waiting", queue.length === 0 ? undefined : queue.map(({ id }) => id).join(", ")],
    ["queries", String(found.queryCount)],
    ["used", usageOf(found)],
    ["created", DateTime.formatIso(found.createdAt)],
    ["last query", found.lastQueryAt === undefined ? undefined : DateTime.formatIso(found.lastQueryAt)]
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
}

/** `info`. */
export const info = command({
  name: "info",
  description: "Show details of an agent, its sandbox and its queries. Does not wake it",
  flags: { agent, ...durable },
  examples: [{ command: "remote-agent info analyst", description: "A summary" }],
  run: Effect.fn("info")(
    function* (flags): Run<State.Records> {
      const { out } = yield* Screen
      const found = yield* AgentLookup.one(flags.agent)
      const details = yield* Effect.flatMap(
        Orchestrator.Orchestrator,
        ({ agents }) => agents.of(found).info
      ).pipe(Effect.provide(AgentLookup.services(flags, [found])))
      yield* line(
        out,
        flags.json ? jsonText(yield* documentOf(details)) : Table.render(rowsOf(details)).join("\n")
      )
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
