import { assert, describe, it } from "@effect/vitest"
import { Job } from "@remote-agent/sandbox"
import { Effect, Schema, Stream } from "effect"

const Width = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 7 }))

const encoder = new TextEncoder()

/** The events of a job that wrote two texts, cut into pieces of some bytes that alternate. */
const eventsOf = (stdout: Uint8Array, stderr: Uint8Array, width: number): ReadonlyArray<Job.JobEvent> => {
  const events: Array<Job.JobEvent> = []
  let cursor: Job.Cursor = Job.beginning
  for (let at = 0; at < Math.max(stdout.length, stderr.length); at += width) {
    for (const [_tag, key, all] of [
      ["Stdout", "stdout", stdout],
      ["Stderr", "stderr", stderr]
    ] as const) {
      const bytes = all.slice(at, at + width)
      if (bytes.length === 0) continue
      cursor = { ...cursor, [key]: cursor[key] + bytes.length }
      events.push({ _tag, bytes, cursor })
    }
  }
  return [...events, { _tag: "Exited", exitCode: 0 }]
}

const textOf = (events: ReadonlyArray<Job.TextEvent>, tag: "Stdout" | "Stderr") =>
  events.map((event) => (event._tag === tag ? event.text : "")).join("")

describe("Job.text", () => {
  it.effect.prop(
    "decodes both streams, however they were cut, and loses nothing",
    [Schema.String, Schema.String, Width],
    ([out, err, width]) =>
      Effect.gen(function* () {
        const [stdout, stderr] = [encoder.encode(out), encoder.encode(err)]
        const events = yield* Stream.runCollect(
          Job.text(Stream.fromIterable(eventsOf(stdout, stderr, width)))
        )
        assert.strictEqual(textOf(events, "Stdout"), out.toWellFormed())
        assert.strictEqual(textOf(events, "Stderr"), err.toWellFormed())
        for (const event of events) {
          if (!("text" in event)) continue
          // A continuation byte at a cursor would be inside of a character.
          assert.notStrictEqual((stdout[event.cursor.stdout] ?? 0) & 0xc0, 0x80)
          assert.notStrictEqual((stderr[event.cursor.stderr] ?? 0) & 0xc0, 0x80)
        }
      })
  )

  it.effect("decodes bytes that are not UTF-8 as U+FFFD, also at the end", () =>
    Effect.gen(function* () {
      const bytes = new Uint8Array([0x61, 0xff, 0x62, 0xe2, 0x82])
      const events = yield* Stream.runCollect(
        Job.text(Stream.fromIterable(eventsOf(bytes, new Uint8Array(0), 2)))
      )
      assert.strictEqual(textOf(events, "Stdout"), "a\uFFFDb\uFFFD")
    })
  )
})
