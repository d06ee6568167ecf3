/** The files in the sandbox of an agent. */
import type { Agent } from "@remote-agent/domain"
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import { messageOf } from "../../session/Failure.ts"
import { useSession } from "../../session/Session.tsx"
import { Button } from "../../ui/Button.tsx"
import { Icon } from "../../ui/icons.tsx"
import { Empty, Problem } from "../../ui/View.tsx"
import { parentOf, sizeText, textIn, trailOf } from "./paths.ts"

const mostShown = 1024 * 1024

const Trail = ({ onOpen, path }: { readonly path: string; readonly onOpen: (path: string) => void }) => (
  <nav className="trail" aria-label="Folder">
    {trailOf(path).map((folder) => (
      <button
        key={folder.path}
        type="button"
        aria-current={folder.path === path ? "page" : undefined}
        onClick={() => onOpen(folder.path)}
      >
        {folder.name}
      </button>
    ))}
  </nav>
)

const FileText = ({ agent, path }: { readonly agent: Agent.Agent; readonly path: string }) => {
  const { api } = useSession()
  const { data, error } = useQuery({
    queryKey: ["agent", agent.id, "file", path],
    queryFn: ({ signal }) =>
      api.run(({ sandbox }) => sandbox.read({ params: { id: agent.id }, query: { path } }), signal)
  })
  if (error !== null) return <Problem>{messageOf(error)}</Problem>
  if (data === undefined) return <p className="muted">Reading…</p>
  const text = textIn(data.subarray(0, mostShown))
  return text === undefined ? (
    <p className="muted">This file is not text ({sizeText(data.length)}).</p>
  ) : (
    <pre className="file-text" tabIndex={0} aria-label={path}>
      {text}
      {data.length > mostShown ? `\n… ${sizeText(data.length - mostShown)} more` : ""}
    </pre>
  )
}

const Folder = ({
  agent,
  onFolder,
  onFile,
  path
}: {
  readonly agent: Agent.Agent
  readonly path: string
  readonly onFolder: (path: string) => void
  readonly onFile: (path: string) => void
}) => {
  const { api } = useSession()
  const { data, error } = useQuery({
    queryKey: ["agent", agent.id, "files", path],
    queryFn: ({ signal }) =>
      api.run(({ sandbox }) => sandbox.listFiles({ params: { id: agent.id }, query: { path } }), signal)
  })
  const entries = (data ?? []).toSorted(
    (a, b) => Number(b.type === "directory") - Number(a.type === "directory") || a.name.localeCompare(b.name)
  )
  return (
    <>
      {error === null ? null : <Problem>{messageOf(error)}</Problem>}
      {data?.length === 0 ? <p className="muted">This folder is empty.</p> : null}
      <ul className="files">
        {entries.map((entry) => (
          <li key={entry.path}>
            <button
              type="button"
              onClick={() => (entry.type === "directory" ? onFolder : onFile)(entry.path)}
            >
              <Icon name={entry.type === "directory" ? "folder" : "file"} size={16} />
              <span>{entry.name}</span>
              <span className="muted number">{entry.type === "file" ? sizeText(entry.size) : ""}</span>
            </button>
          </li>
        ))}
      </ul>
    </>
  )
}

export default function FilesTab({ agent }: { readonly agent: Agent.Agent }) {
  const [folder, setFolder] = useState(agent.binding?.home ?? "/")
  const [file, setFile] = useState<string>()
  const [wake, setWake] = useState(false)
  if (agent.binding === undefined) {
    return <Empty title="No sandbox">This agent has no sandbox, and so no files.</Empty>
  }
  if (agent.status === "paused" && !wake) {
    return (
      <Empty title="It is asleep">
        <p>Reading its files resumes its sandbox.</p>
        <Button icon="resume" onClick={() => setWake(true)}>
          Resume and show
        </Button>
      </Empty>
    )
  }
  const open = (path: string) => {
    setFile(undefined)
    setFolder(path)
  }
  return (
    <section className="card">
      <Trail path={file ?? folder} onOpen={open} />
      {file === undefined ? (
        <Folder agent={agent} path={folder} onFolder={open} onFile={setFile} />
      ) : (
        <>
          <div>
            <Button icon="back" onClick={() => open(parentOf(file))}>
              Back to the folder
            </Button>
          </div>
          <FileText agent={agent} path={file} />
        </>
      )}
    </section>
  )
}
