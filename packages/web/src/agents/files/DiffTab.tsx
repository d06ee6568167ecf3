/** What an agent changed in its repository. */
import type { Agent } from "@remote-agent/domain"
import { useQuery } from "@tanstack/react-query"
import { messageOf } from "../../session/Failure.ts"
import { useSession } from "../../session/Session.tsx"
import { Button } from "../../ui/Button.tsx"
import { Empty, Problem } from "../../ui/View.tsx"
import { filesOf, type PatchFile } from "./patch.ts"

const mostLines = 2000

const FileDiff = ({ file }: { readonly file: PatchFile }) => (
  <details className="card diff" open={file.lines.length < 400}>
    <summary>
      <code>{file.path}</code>
      <span className="diff-added">+{file.added}</span>
      <span className="diff-removed">−{file.removed}</span>
    </summary>
    <pre tabIndex={0} aria-label={`Changes of ${file.path}`}>
      {file.lines.slice(0, mostLines).map(({ kind, text }, index) => (
        <span key={index} className={`diff-line diff-line-${kind}`}>
          {text || " "}
        </span>
      ))}
    </pre>
    {file.lines.length > mostLines ? (
      <p className="muted">and {file.lines.length - mostLines} more lines</p>
    ) : null}
  </details>
)

export default function DiffTab({ agent }: { readonly agent: Agent.Agent }) {
  const { api } = useSession()
  const has = agent.repository !== undefined
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ["agent", agent.id, "diff"],
    queryFn: ({ signal }) =>
      api.run(({ repositories }) => repositories.diff({ params: { id: agent.id } }), signal),
    // A diff needs the sandbox to be awake, and the agent to be idle: a paused one is not resumed by a glance.
    enabled: has && agent.status === "active"
  })
  if (!has) return <Empty title="No repository">This agent was launched without a repository.</Empty>
  return (
    <>
      <div className="tab-head">
        <p className="muted">
          What it changed in its repository since its last commit. The sandbox is resumed if it is paused.
        </p>
        <Button icon="replace" busy={isFetching} onClick={() => void refetch()}>
          {data === undefined ? "Show the diff" : "Look again"}
        </Button>
      </div>
      {error === null ? null : <Problem>{messageOf(error)}</Problem>}
      {data === undefined ? null : data.files.length === 0 ? (
        <Empty title="Nothing has changed" />
      ) : (
        filesOf(data.patch).map((file) => <FileDiff key={file.path} file={file} />)
      )}
    </>
  )
}
