/** What a running query does, in one line. */
import type { Block, EventLog } from "../queries/EventLog.ts"
import type { Progress } from "./Fleet.ts"

const lastLine = (text: string): string => text.trim().split("\n").at(-1)?.trim() ?? ""

const stepOf = (block: Block | undefined): string => {
  switch (block?.kind) {
    case undefined:
    case "result":
      return ""
    case "tool":
      return block.status === "running" ? `Uses ${block.tool}` : `Used ${block.tool}`
    case "text":
    case "thinking":
    case "notice":
    case "raw":
      return lastLine(block.text)
  }
}

export const progressOf = ({ blocks, heardAt, steps }: EventLog): Progress => ({
  steps,
  step: stepOf(blocks.at(-1)),
  heardAt
})
