/** One agent: its conversation, its usage and its particulars. */
import { Tabs } from "@base-ui/react/tabs"
import type { Id } from "@remote-agent/domain"
import { DateTime } from "effect"
import { lazy, Suspense, useMemo, useState } from "react"
import { Link } from "wouter"
import { Composer } from "../queries/Composer.tsx"
import { ConversationView } from "../queries/ConversationView.tsx"
import { messageOf } from "../session/Failure.ts"
import { Button } from "../ui/Button.tsx"
import { Icon } from "../ui/icons.tsx"
import { useNow } from "../ui/useNow.ts"
import { Empty, Problem, ViewHead } from "../ui/View.tsx"
import { AgentActions } from "./AgentActions.tsx"
import { AgentDetails } from "./AgentDetails.tsx"
import { stateOf } from "./AgentState.ts"
import { labelsOf } from "./Fleet.ts"
import { StateBadge } from "./StateBadge.tsx"
import { useAgent, useAgentQueries } from "./useAgent.ts"

const FilesTab = lazy(() => import("./files/FilesTab.tsx"))
const DiffTab = lazy(() => import("./files/DiffTab.tsx"))
const AgentUsage = lazy(() => import("../usage/AgentUsage.tsx"))

const pageOf = 50

const blockedBy = (status: string): string | undefined => {
  switch (status) {
    case "terminated":
      return "This agent was terminated. Its history stays."
    case "lost":
      return "The sandbox of this agent no longer exists. Replace it to ask again."
    case "failed":
      return "The program of this agent stopped working. Replace it to ask again."
    default:
      return undefined
  }
}

export const AgentView = ({ id }: { readonly id: Id.AgentId }) => {
  const now = useNow(1000)
  const [most, setMost] = useState(pageOf)
  const { data: info, error } = useAgent(id)
  const { data: page } = useAgentQueries(id, most)
  const queries = useMemo(() => (page?.items ?? []).toReversed(), [page])
  if (info === undefined) {
    return (
      <div className="view">
        <ViewHead title="Agent" />
        {error === null ? null : <Problem>{messageOf(error)}</Problem>}
      </div>
    )
  }
  const { agent, current, queue, sandbox } = info
  const running = current ?? queries.find(({ status }) => status === "running")
  const { state, why } = stateOf({
    agent,
    running,
    waiting: queue.length,
    last: queries.findLast(({ status }) => status === "ended"),
    sandbox,
    now
  })
  return (
    <div className="view view-agent">
      <div className="crumbs">
        <Link href="/">
          <Icon name="back" size={15} /> Fleet
        </Link>
      </div>
      <ViewHead title={agent.name}>
        <AgentActions agent={agent} running={running} />
      </ViewHead>
      <div className="agent-facts">
        <StateBadge state={state} />
        <span className="why" role="status">
          {why}
        </span>
        <span className="profile">{agent.profile}</span>
        {labelsOf(agent).map((label) => (
          <span key={label} className="label">
            {label}
          </span>
        ))}
      </div>
      <Tabs.Root className="tabs" defaultValue="conversation">
        <Tabs.List className="tabs-list">
          <Tabs.Tab value="conversation">Conversation</Tabs.Tab>
          <Tabs.Tab value="files">Files</Tabs.Tab>
          <Tabs.Tab value="diff">Diff</Tabs.Tab>
          <Tabs.Tab value="usage">Usage</Tabs.Tab>
          <Tabs.Tab value="details">Details</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="conversation" className="tab-panel tab-conversation">
          {queries.length === 0 && page !== undefined ? (
            <Empty title="Nothing was asked yet">Ask below. The answer appears here as it is written.</Empty>
          ) : (
            <ConversationView
              queries={queries}
              older={
                page?.next === undefined ? null : (
                  <div className="older">
                    <Button onClick={() => setMost(Math.min(1000, most + pageOf))}>Older queries</Button>
                  </div>
                )
              }
            />
          )}
          <Composer
            agentId={id}
            running={running}
            session={queries.at(-1)?.session}
            blocked={blockedBy(state === "lost" ? "lost" : agent.status)}
          />
        </Tabs.Panel>
        <Tabs.Panel value="files" className="tab-panel">
          <Suspense fallback={<p className="muted">Loading…</p>}>
            <FilesTab agent={agent} />
          </Suspense>
        </Tabs.Panel>
        <Tabs.Panel value="diff" className="tab-panel">
          <Suspense fallback={<p className="muted">Loading…</p>}>
            <DiffTab agent={agent} />
          </Suspense>
        </Tabs.Panel>
        <Tabs.Panel value="usage" className="tab-panel">
          <Suspense fallback={<p className="muted">Loading…</p>}>
            <AgentUsage agentId={id} created={DateTime.toEpochMillis(agent.createdAt)} />
          </Suspense>
        </Tabs.Panel>
        <Tabs.Panel value="details" className="tab-panel">
          <AgentDetails info={info} now={now} />
        </Tabs.Panel>
      </Tabs.Root>
    </div>
  )
}
