/** The parts that every view has. */
import { type ReactNode, useEffect } from "react"
import { Icon } from "./icons.tsx"

interface ViewHeadProps {
  readonly title: string
  readonly note?: string
  readonly children?: ReactNode
}

export const ViewHead = ({ children, note, title }: ViewHeadProps) => {
  useEffect(() => {
    document.title = `${title} · Remote Agent`
  }, [title])
  return (
    <header className="view-head">
      <div>
        <h1>{title}</h1>
        {note === undefined ? null : <p className="view-note">{note}</p>}
      </div>
      <div className="view-actions">{children}</div>
    </header>
  )
}

export const Empty = ({ children, title }: { readonly title: string; readonly children?: ReactNode }) => (
  <div className="empty">
    <h2>{title}</h2>
    <div className="empty-text">{children}</div>
  </div>
)

export const Problem = ({ children }: { readonly children: ReactNode }) => (
  <p className="problem" role="alert">
    <Icon name="warning" size={16} /> {children}
  </p>
)
