import { assert, describe, it } from "@effect/vitest"
import { Id, Query } from "@remote-agent/domain"
import { DateTime } from "effect"
import { itemAt, lengthOf, segmentsOf } from "../../src/queries/Conversation.ts"
import { EventLog } from "../../src/queries/EventLog.ts"
import type { OpenLog } from "../../src/queries/useLogs.ts"

const query = (index: number, status: Query.QueryStatus) =>
  new Query.Query({
    id: Id.QueryId.make(`qry_01arz3ndektsv4rrffq69g5${String(index).padStart(3, "0")}`),
    agentId: Id.AgentId.make("agt_01arz3ndektsv4rrffq69g5001"),
    text: `Query ${index}`,
    status,
    createdAt: DateTime.makeUnsafe(0)
  })

const logOf = (blocks: number, ended: boolean): OpenLog => {
  const log = new EventLog()
  for (let seq = 0; seq < blocks; seq++) {
    log.add({ queryId: "q", seq, at: "2026-11-30T12:00:00Z", event: { type: "notice", text: String(seq) } })
  }
  if (ended) {
    log.add({
      queryId: "q",
      seq: blocks,
      at: "2026-11-30T12:00:00Z",
      event: {
        type: "result",
        outcome: "ok",
        answer: "",
        usage: { inputTokens: 0, outputTokens: 0, wallMillis: 0 }
      }
    })
  }
  return { log, state: ended ? "ended" : "reading" }
}

describe("A conversation", () => {
  it("is the query and its answer while its log is closed, and every event while it is open", () => {
    const [first, second, third] = [query(1, "ended"), query(2, "ended"), query(3, "running")]
    const logs = new Map([
      [second.id as string, logOf(2, true)],
      [third.id as string, logOf(1, false)]
    ])
    const segments = segmentsOf([first, second, third], logs, new Set([second.id, third.id]))
    const kinds = Array.from({ length: lengthOf(segments) }, (_, index) => {
      const item = itemAt(segments, index)
      return `${item?.query.text.at(-1)} ${item?.kind}`
    })
    assert.deepStrictEqual(kinds, [
      "1 ask",
      "1 answer",
      "2 ask",
      "2 block",
      "2 block",
      "2 block",
      "3 ask",
      "3 block",
      "3 pending"
    ])
    assert.isUndefined(itemAt(segments, kinds.length))
  })

  it("gives every entry a key that stays as the log grows", () => {
    const one = query(1, "running")
    const keysOf = (blocks: number) => {
      const segments = segmentsOf([one], new Map([[one.id, logOf(blocks, false)]]), new Set([one.id]))
      return Array.from({ length: lengthOf(segments) }, (_, index) => itemAt(segments, index)?.key)
    }
    const [before, after] = [keysOf(3), keysOf(5)]
    assert.deepStrictEqual(after.slice(0, 4), before.slice(0, 4))
    assert.strictEqual(new Set(after).size, after.length)
  })

  it("has one entry for a query whose log is being opened", () => {
    const one = query(1, "queued")
    const segments = segmentsOf([one], new Map(), new Set([one.id]))
    assert.strictEqual(itemAt(segments, 1)?.kind, "pending")
  })
})
