/** The log of a query, folded into what people read: text, thoughts, and tools with arguments and results. */
import type { AgentEvent } from "@remote-agent/domain"

/** An event as it is on the wire. */
export type Sent = typeof AgentEvent.EventRecord.Encoded

type ToolStatus = "running" | "done" | "failed"

/** A part of a log that is shown as one. `key` is the `seq` of its first event. */
export type Block =
  | { readonly kind: "text" | "thinking"; readonly key: number; readonly text: string }
  | { readonly kind: "notice"; readonly key: number; readonly text: string; readonly by?: string | undefined }
  | { readonly kind: "raw"; readonly key: number; readonly text: string; readonly lines: number }
  | {
      readonly kind: "tool"
      readonly key: number
      readonly tool: string
      readonly status: ToolStatus
      readonly args: unknown
      readonly result: unknown
      readonly progress: number
      readonly millis?: number | undefined
    }
  | { readonly kind: "result"; readonly key: number; readonly result: Result }

export type ToolBlock = Extract<Block, { readonly kind: "tool" }>
export type Result = Extract<Sent["event"], { readonly type: "result" }>

/** A block that grows no further, so that a list of blocks stays a list of small things. */
const mostText = 4000

/** The log of one query, in order and without a repetition, however often its stream is cut. */
export class EventLog {
  #blocks: Array<Block> = []
  #open = new Map<string, { readonly index: number; readonly at: number }>()
  #listeners = new Set<() => void>()
  #notifying = false
  #seq = -1
  #version = 0
  #heardAt = 0
  #result: Result | undefined
  #steps = 0

  /** The `seq` of the last event, and -1 when there is none: what `Last-Event-ID` says. */
  get seq(): number {
    return this.#seq
  }

  get blocks(): ReadonlyArray<Block> {
    return this.#blocks
  }

  /** The number of tools that were used so far. */
  get steps(): number {
    return this.#steps
  }

  /** When the agent was last heard, in milliseconds. */
  get heardAt(): number {
    return this.#heardAt
  }

  get result(): Result | undefined {
    return this.#result
  }

  readonly version = (): number => this.#version

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Adds an event. An event that is known already changes nothing. Returns whether the event was the next one. */
  add(record: Sent): boolean {
    if (record.seq !== this.#seq + 1) return false
    this.#seq = record.seq
    this.#heardAt = Date.parse(record.at)
    this.#fold(record)
    this.#changed()
    return true
  }

  #changed(): void {
    this.#version++
    if (this.#notifying) return
    // A burst of events is one change.
    this.#notifying = true
    setTimeout(() => {
      this.#notifying = false
      for (const listener of this.#listeners) listener()
    }, 50)
  }

  #fold({ at, event, seq }: Sent): void {
    switch (event.type) {
      case "text":
      case "thinking":
        return this.#text(event.type, seq, event.text)
      case "notice":
        return this.#push({ kind: "notice", key: seq, text: event.text, by: event.by })
      case "retry":
        return this.#push({ kind: "notice", key: seq, text: `Retrying, attempt ${event.attempt}` })
      case "ready":
        return this.#push({
          kind: "notice",
          key: seq,
          text: `${event.agent}${event.version === undefined ? "" : ` ${event.version}`} is ready`
        })
      case "tool_start":
        this.#steps++
        this.#open.set(event.callId ?? event.tool, { index: this.#blocks.length, at: Date.parse(at) })
        return this.#push({
          kind: "tool",
          key: seq,
          tool: event.tool,
          status: "running",
          args: event.data,
          result: undefined,
          progress: 0
        })
      case "tool_progress":
        return this.#tool(event, (block) => ({ ...block, progress: block.progress + 1, result: event.data }))
      case "tool_end":
      case "tool_error":
        return this.#endTool(event, seq, Date.parse(at))
      case "raw":
        return this.#raw(seq, event.line)
      case "result":
        this.#result = event
        return this.#push({ kind: "result", key: seq, result: event })
      case "session":
      case "usage":
        return
    }
  }

  #push(block: Block): void {
    this.#blocks.push(block)
  }

  #text(kind: "text" | "thinking", key: number, text: string): void {
    const last = this.#blocks.at(-1)
    if (last?.kind !== kind || last.text.length + text.length > mostText)
      return this.#push({ kind, key, text })
    const joined = kind === "thinking" ? `${last.text}\n${text}` : last.text + text
    this.#blocks[this.#blocks.length - 1] = { ...last, text: joined }
  }

  #raw(key: number, line: string): void {
    const last = this.#blocks.at(-1)
    if (last?.kind !== "raw" || last.text.length > mostText) {
      return this.#push({ kind: "raw", key, text: line, lines: 1 })
    }
    this.#blocks[this.#blocks.length - 1] = { ...last, text: `${last.text}\n${line}`, lines: last.lines + 1 }
  }

  #tool(
    event: { readonly tool: string; readonly callId?: string },
    change: (block: ToolBlock, startedAt: number) => ToolBlock
  ): void {
    const open = this.#open.get(event.callId ?? event.tool)
    const block = open === undefined ? undefined : this.#blocks[open.index]
    if (open === undefined || block?.kind !== "tool") return
    this.#blocks[open.index] = change(block, open.at)
  }

  #endTool(
    event: Extract<Sent["event"], { readonly type: "tool_end" | "tool_error" }>,
    seq: number,
    at: number
  ): void {
    const key = event.callId ?? event.tool
    const status: ToolStatus = event.type === "tool_end" ? "done" : "failed"
    if (!this.#open.has(key)) {
      const { data: result, tool } = event
      return this.#push({ kind: "tool", key: seq, tool, status, args: undefined, result, progress: 0 })
    }
    this.#tool(event, (block, startedAt) => ({
      ...block,
      status,
      result: event.data,
      millis: at - startedAt
    }))
    this.#open.delete(key)
  }
}
