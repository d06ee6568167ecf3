/** What can be done with an agent. */
import type { Agent, Query } from "@remote-agent/domain"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { type ReactNode, useState } from "react"
import { messageOf } from "../session/Failure.ts"
import { useSession } from "../session/Session.tsx"
import { Button } from "../ui/Button.tsx"
import { Confirm } from "../ui/Dialogs.tsx"
import { Problem } from "../ui/View.tsx"

interface AgentActionsProps {
  readonly agent: Agent.Agent
  readonly running: Query.Query | undefined
}

type Asked = "pause" | "replace" | "terminate"

const questions: Readonly<
  Record<Asked, { readonly title: string; readonly text: ReactNode; readonly action: string }>
> = {
  pause: {
    title: "Pause while it works?",
    text: "Its query is cancelled first. Its sandbox keeps its memory and files.",
    action: "Cancel the query and pause"
  },
  replace: {
    title: "Give it a new sandbox?",
    text: "It keeps its name, its labels and its history. Files of the old sandbox that were not pushed or copied are lost.",
    action: "Replace the sandbox"
  },
  terminate: {
    title: "Terminate this agent?",
    text: "Its sandbox and everything in it are removed, and a running query is cancelled. Its history is kept. This cannot be undone.",
    action: "Terminate"
  }
}

export const AgentActions = ({ agent, running }: AgentActionsProps) => {
  const { api } = useSession()
  const client = useQueryClient()
  const [asked, setAsked] = useState<Asked>()
  const params = { id: agent.id }
  const refresh = () =>
    Promise.all([
      client.invalidateQueries({ queryKey: ["agent", agent.id] }),
      client.invalidateQueries({ queryKey: ["agents"] })
    ])
  const acts = {
    pause: () =>
      api.run(({ agents }) =>
        agents.pause({ params, payload: running === undefined ? {} : { whenRunning: "cancel" } })
      ),
    resume: () => api.run(({ agents }) => agents.resume({ params })),
    replace: () => api.run(({ agents }) => agents.replace({ params, payload: {} })),
    terminate: () => api.run(({ agents }) => agents.terminate({ params }))
  }
  const act = useMutation({
    mutationFn: (name: keyof typeof acts): Promise<unknown> => acts[name](),
    onSettled: refresh
  })
  const { status } = agent
  const question = asked === undefined ? undefined : questions[asked]

  return (
    <>
      {act.error === null || asked !== undefined ? null : <Problem>{messageOf(act.error)}</Problem>}
      {status === "active" ? (
        <Button
          icon="pause"
          busy={act.isPending && act.variables === "pause"}
          onClick={() => (running === undefined ? act.mutate("pause") : setAsked("pause"))}
        >
          Pause
        </Button>
      ) : null}
      {status === "paused" ? (
        <Button icon="resume" busy={act.isPending} onClick={() => act.mutate("resume")}>
          Resume
        </Button>
      ) : null}
      {status === "failed" || status === "lost" ? (
        <Button icon="replace" onClick={() => setAsked("replace")}>
          Replace
        </Button>
      ) : null}
      {status === "terminated" ? null : (
        <Button icon="terminate" look="quiet" onClick={() => setAsked("terminate")}>
          Terminate
        </Button>
      )}
      <Confirm
        open={asked !== undefined}
        title={question?.title ?? ""}
        action={question?.action ?? ""}
        onClose={() => setAsked(undefined)}
        onConfirm={() => (asked === undefined ? Promise.resolve() : act.mutateAsync(asked))}
      >
        {question?.text}
      </Confirm>
    </>
  )
}
