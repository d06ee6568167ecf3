/** Text of an agent: the part of Markdown that agents use. Everything else stays as it is written. */
import { Fragment, memo, type ReactNode } from "react"
import { type Part, partsOf } from "./markdownParts.ts"

const inlinePattern = /(`[^`\n]+`|\*\*[^*\n]+\*\*|https?:\/\/[^\s)>\]"']+)/g

const inline = (text: string): ReactNode =>
  text.split(inlinePattern).map((part, index) => {
    if (index % 2 === 0) return part
    if (part.startsWith("`")) return <code key={index}>{part.slice(1, -1)}</code>
    if (part.startsWith("**")) return <strong key={index}>{part.slice(2, -2)}</strong>
    return (
      <a key={index} href={part} target="_blank" rel="noreferrer noopener">
        {part}
      </a>
    )
  })

const cellsOf = (line: string): ReadonlyArray<string> =>
  line
    .trim()
    .replaceAll(/^\||\|$/g, "")
    .split("|")
    .map((cell) => cell.trim())

const Table = ({ lines }: { readonly lines: ReadonlyArray<string> }) => {
  const rows = lines.filter((line) => !/^[\s|:-]+$/.test(line)).map(cellsOf)
  const [head = [], ...body] = rows
  return (
    <div className="said-table" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead>
          <tr>
            {head.map((cell, index) => (
              <th key={index}>{inline(cell)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {body.map((row, index) => (
            <tr key={index}>
              {row.map((cell, at) => (
                <td key={at}>{inline(cell)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const PartView = ({ kind, lines }: Part): ReactNode => {
  switch (kind) {
    case "code":
      return <pre tabIndex={0}>{lines.join("\n")}</pre>
    case "heading":
      return <p className="said-heading">{inline((lines[0] ?? "").replace(/^#+ /, ""))}</p>
    case "bullets":
    case "numbers": {
      const List = kind === "bullets" ? "ul" : "ol"
      return (
        <List>
          {lines.map((line, index) => (
            <li key={index}>{inline(line.replace(/^\s*(?:[-*]|\d+[.)]) /, ""))}</li>
          ))}
        </List>
      )
    }
    case "table":
      return lines.length > 1 ? <Table lines={lines} /> : <p>{lines[0]}</p>
    case "text":
      return lines
        .join("\n")
        .split(/\n{2,}/)
        .filter((paragraph) => paragraph.trim() !== "")
        .map((paragraph, index) => <p key={index}>{inline(paragraph.replaceAll(/^\n|\n$/g, ""))}</p>)
  }
}

export const Markdown = memo(({ text }: { readonly text: string }) => (
  <div className="prose">
    {partsOf(text).map((part, index) => (
      <Fragment key={index}>
        <PartView {...part} />
      </Fragment>
    ))}
  </div>
))
