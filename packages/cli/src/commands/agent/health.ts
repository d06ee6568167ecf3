import type { Agent } from "@remote-agent/domain"
import type { AgentLifecycle } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import * as Table from "../../ui/Table.ts"
import { command } from "../shared/command.ts"
import { agents, durable, onOff } from "../shared/flags.ts"
import * as Bulk from "./bulk.ts"

const toText = ({ id, name }: Agent.Agent, { checks, healthy }: AgentLifecycle.Health): string =>
  [
    `${name} (${id}) is ${healthy ? "healthy" : "not healthy"}.`,
    ...Table.render(checks.map((check) => [`  ${check.name}`, check.status, check.detail]))
  ].join("\n")

/** `health`. */
export const health = command({
  name: "health",
  description: "Check that agents can work. Does not wake them. Exit code 1 when one cannot",
  flags: { agents, all: onOff("all", "Every active or paused agent"), ...durable },
  examples: [{ command: "remote-agent health analyst", description: "Every check of one agent" }],
  run: Effect.fn("health")((flags) =>
    Bulk.each(flags, {
      all: { status: ["active", "paused"] },
      act: (orchestrator, agent) =>
        Effect.map(orchestrator.agents.of(agent).health, (report) => ({
          text: toText(agent, report),
          document: report,
          failed: !report.healthy
        }))
    })
  )
})
