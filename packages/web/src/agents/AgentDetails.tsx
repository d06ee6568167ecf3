/** The particulars of an agent, and its health. */
import type { AgentsApi } from "@remote-agent/api"
import { useQuery } from "@tanstack/react-query"
import { DateTime, Duration } from "effect"
import type { ReactNode } from "react"
import { messageOf } from "../session/Failure.ts"
import { useSession } from "../session/Session.tsx"
import { Button } from "../ui/Button.tsx"
import { duration, time } from "../ui/text/format.ts"
import { Icon } from "../ui/icons.tsx"

type Info = typeof AgentsApi.AgentInfo.Type

const Fact = ({ children, name }: { readonly name: string; readonly children: ReactNode }) => (
  <div className="fact">
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
)

const Health = ({ id }: { readonly id: Info["agent"]["id"] }) => {
  const { api } = useSession()
  // A check runs the agent's program in its sandbox, so it is made only when it is asked for.
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ["agent", id, "health"],
    queryFn: ({ signal }) => api.run(({ agents }) => agents.health({ params: { id } }), signal),
    enabled: false
  })
  return (
    <section className="card">
      <div className="card-head">
        <h2>Health</h2>
        <Button busy={isFetching} onClick={() => void refetch()}>
          {isFetching ? "Checking…" : "Check"}
        </Button>
      </div>
      {error === null ? null : (
        <p className="problem" role="alert">
          {messageOf(error)}
        </p>
      )}
      {data === undefined ? (
        <p className="muted">
          A check looks at the sandbox, the program, the disk and the clock. It resumes nothing.
        </p>
      ) : (
        <ul className="checks" aria-live="polite">
          {data.checks.map(({ detail, name, status }) => (
            <li key={name} className={`check-${status}`}>
              <Icon name={status === "ok" ? "check" : status === "failed" ? "cross" : "right"} size={15} />
              <strong>{name}</strong>
              <span className="visually-hidden">{status}</span>
              <span>{detail}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

export const AgentDetails = ({ info, now }: { readonly info: Info; readonly now: number }) => {
  const { agent, endsAt, sandbox } = info
  const created = DateTime.toEpochMillis(agent.createdAt)
  return (
    <div className="cards">
      <section className="card">
        <h2>Agent</h2>
        <dl className="facts">
          <Fact name="Id">
            <code>{agent.id}</code>
          </Fact>
          <Fact name="Launched">{time(created, now)}</Fact>
          <Fact name="Queries">{agent.queryCount}</Fact>
          {agent.pool === undefined ? null : <Fact name="Pool">{agent.pool}</Fact>}
          {agent.repository === undefined ? null : (
            <Fact name="Repository">
              <code>
                {agent.repository.url}
                {agent.repository.ref === undefined ? "" : `#${agent.repository.ref}`}
              </code>
            </Fact>
          )}
          <Fact name="When its time is up">{agent.persistent ? "It is paused" : "It is terminated"}</Fact>
        </dl>
      </section>
      <section className="card">
        <h2>Sandbox</h2>
        <dl className="facts">
          <Fact name="State">{sandbox}</Fact>
          {agent.binding === undefined ? null : (
            <>
              <Fact name="Id">
                <code>{agent.binding.sandboxId}</code>
              </Fact>
              <Fact name="Provider">{agent.binding.provider}</Fact>
            </>
          )}
          {endsAt === undefined ? null : (
            <Fact name="Time left">{duration(DateTime.toEpochMillis(endsAt) - now)}</Fact>
          )}
          {agent.ttl === undefined ? null : (
            <Fact name="Time to live">{duration(Duration.toMillis(agent.ttl))}</Fact>
          )}
          <Fact name="Internet">{agent.allowInternetAccess === false ? "Not allowed" : "Allowed"}</Fact>
        </dl>
      </section>
      <Health id={agent.id} />
    </div>
  )
}
