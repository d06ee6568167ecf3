/** Where a query is written. */
import type { Id, Query } from "@remote-agent/domain"
import { useMutation, useQueryClient } from "@tanstack/react-query"
import { type KeyboardEvent, useRef, useState } from "react"
import { messageOf } from "../session/Failure.ts"
import { useSession } from "../session/Session.tsx"
import { Button } from "../ui/Button.tsx"

interface ComposerProps {
  readonly agentId: Id.AgentId
  /** The query that runs. */
  readonly running: Query.Query | undefined
  /** The conversation of the newest query. */
  readonly session: string | undefined
  /** Why no query can be asked. */
  readonly blocked?: string | undefined
}

/** The conversation of those who asked for one and named none. */
const defaultSession = "page"

export const Composer = ({ agentId, blocked, running, session }: ComposerProps) => {
  const { api } = useSession()
  const client = useQueryClient()
  const [text, setText] = useState("")
  const [remember, setRemember] = useState<boolean>()
  const key = useRef(crypto.randomUUID())
  const keeps = remember ?? session !== undefined

  const refresh = () => client.invalidateQueries({ queryKey: ["agent", agentId] })
  const ask = useMutation({
    mutationFn: () =>
      api.run(({ queries }) =>
        queries.start({
          params: { agentId },
          query: {},
          headers: { "idempotency-key": key.current },
          payload: { text: text.trim(), ...(keeps ? { session: session ?? defaultSession } : {}) }
        })
      ),
    onSuccess: () => {
      key.current = crypto.randomUUID()
      setText("")
      return refresh()
    }
  })
  const cancel = useMutation({
    mutationFn: (id: Id.QueryId) => api.run(({ queries }) => queries.cancel({ params: { id }, payload: {} })),
    onSettled: refresh
  })
  const send = () => {
    if (text.trim() !== "" && !ask.isPending) ask.mutate()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    send()
  }
  const problem = ask.error ?? cancel.error

  if (blocked !== undefined) return <p className="composer-blocked">{blocked}</p>
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      {problem === null ? null : (
        <p className="problem" role="alert">
          {messageOf(problem)}
        </p>
      )}
      <div className="composer-box">
        <textarea
          aria-label="Query"
          placeholder={running === undefined ? "Ask this agent" : "Ask this agent next"}
          rows={Math.min(8, text.split("\n").length)}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
        />
        {running === undefined ? null : (
          <Button
            look="danger"
            icon="stop"
            busy={cancel.isPending || running.cancelRequestedAt !== undefined}
            onClick={() => cancel.mutate(running.id)}
          >
            Cancel
          </Button>
        )}
        <Button
          type="submit"
          look="primary"
          icon="send"
          busy={ask.isPending}
          aria-disabled={text.trim() === ""}
        >
          Ask
        </Button>
      </div>
      <div className="composer-foot">
        <label className="check">
          <input type="checkbox" checked={keeps} onChange={(event) => setRemember(event.target.checked)} />
          Remember the conversation{keeps && session !== undefined ? ` (${session})` : ""}
        </label>
        <span className="muted keys">Enter sends, Shift + Enter starts a line</span>
      </div>
    </form>
  )
}
