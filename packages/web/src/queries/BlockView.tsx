/** One part of a log: text, a thought, a tool with its arguments and results, or the result. */
import { memo, useId } from "react"
import { count, dollars, duration } from "../ui/text/format.ts"
import { Icon } from "../ui/icons.tsx"
import { Markdown } from "../ui/text/Markdown.tsx"
import type { Block, Result, ToolBlock } from "./EventLog.ts"
import { outcomeNames } from "./outcomes.ts"

const mostShown = 20_000

/** A value that may be JSON in a string. */
const read = (value: unknown): unknown => {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

const written = (value: unknown): string => {
  const plain = read(value)
  const text = typeof plain === "string" ? plain : JSON.stringify(plain, null, 2)
  return text.length > mostShown
    ? `${text.slice(0, mostShown)}\n… ${count(text.length - mostShown)} more`
    : text
}

/** The arguments of a tool in a few words. */
const preview = (value: unknown): string => {
  if (value === undefined || value === null) return ""
  if (typeof value !== "object") return typeof value === "string" ? value : JSON.stringify(value)
  return Object.entries(value)
    .map(([key, inner]) => `${key}: ${typeof inner === "string" ? inner : JSON.stringify(inner)}`)
    .join(", ")
    .replaceAll(/\s+/g, " ")
    .slice(0, 160)
}

const toolStatus = { running: "running", done: "done", failed: "failed" } as const

interface FoldProps {
  readonly open: boolean
  readonly onToggle: () => void
}

const Tool = ({ block, onToggle, open }: FoldProps & { readonly block: ToolBlock }) => {
  const body = useId()
  return (
    <div className={`tool tool-${block.status}`}>
      <button
        type="button"
        className="tool-head"
        aria-expanded={open}
        aria-controls={body}
        onClick={onToggle}
      >
        <span className="tool-mark" aria-hidden="true">
          <Icon
            name={block.status === "failed" ? "cross" : block.status === "done" ? "check" : "tool"}
            size={13}
          />
        </span>
        <span className="tool-name">{block.tool}</span>
        <span className="tool-args">{preview(block.args)}</span>
        <span className="tool-time">
          <span className="visually-hidden">{toolStatus[block.status]}</span>
          {block.millis === undefined ? (block.status === "running" ? "…" : "") : duration(block.millis)}
        </span>
        <Icon name={open ? "down" : "right"} size={14} />
      </button>
      {open ? (
        <div className="tool-body" id={body}>
          {block.args === undefined ? null : (
            <>
              <h4>Arguments</h4>
              <pre tabIndex={0}>{written(block.args)}</pre>
            </>
          )}
          <h4>{block.status === "failed" ? "Error" : "Result"}</h4>
          {block.result === undefined ? (
            <p className="muted">
              {block.status === "running" ? "It is still running." : "It reported nothing."}
            </p>
          ) : (
            <pre tabIndex={0}>{written(block.result)}</pre>
          )}
        </div>
      ) : null}
    </div>
  )
}

const Thinking = ({ onToggle, open, text }: FoldProps & { readonly text: string }) => (
  <div className={`thinking${open ? " thinking-open" : ""}`}>
    <button type="button" aria-expanded={open} onClick={onToggle}>
      <Icon name="thought" size={15} />
      <span className={open ? "thinking-text" : "thinking-line"}>
        {open ? text : text.split("\n").at(-1)}
      </span>
    </button>
  </div>
)

/** How a query ended: its answer, or why there is none, and what it cost. */
export const ResultView = ({ result }: { readonly result: Result }) => {
  const { answer, error, iterations, outcome, usage } = result
  return (
    <div className={`result result-${outcome === "ok" ? "ok" : "bad"}`}>
      {outcome === "ok" ? (
        <Markdown text={answer} />
      ) : (
        <p className="result-problem">
          <Icon name="warning" size={16} />
          <span>
            <strong>{outcomeNames[outcome]}</strong>
            {error === undefined ? "" : `: ${error}`}
          </span>
        </p>
      )}
      <p className="result-facts">
        <span>{duration(usage.wallMillis)}</span>
        <span>{count(usage.inputTokens + usage.outputTokens)} tokens</span>
        {usage.costUsd === undefined ? null : <span>{dollars(usage.costUsd)}</span>}
        {iterations === undefined ? null : (
          <span>
            {iterations} {iterations === 1 ? "step" : "steps"}
          </span>
        )}
      </p>
    </div>
  )
}

interface BlockViewProps extends FoldProps {
  readonly block: Block
}

export const BlockView = memo(({ block, onToggle, open }: BlockViewProps) => {
  switch (block.kind) {
    case "text":
      return (
        <div className="said">
          <Markdown text={block.text} />
        </div>
      )
    case "thinking":
      return <Thinking text={block.text} open={open} onToggle={onToggle} />
    case "tool":
      return <Tool block={block} open={open} onToggle={onToggle} />
    case "notice":
      return <p className="notice">{block.text}</p>
    case "raw":
      return (
        <details className="raw" open={open} onToggle={() => {}}>
          <summary onClick={(event) => (event.preventDefault(), onToggle())}>
            {block.lines === 1 ? "A line" : `${block.lines} lines`} of output
          </summary>
          <pre tabIndex={0}>{block.text}</pre>
        </details>
      )
    case "result":
      return <ResultView result={block.result} />
  }
})
