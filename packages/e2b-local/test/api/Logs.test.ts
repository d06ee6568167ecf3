import { assert, describe, it as top, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Sandbox } from "e2b"
import * as SandboxLog from "../../src/sandboxes/SandboxLog.ts"
import { Server, best, eventually, output, sandbox, sdk, serverLayer } from "../support/support.ts"

interface Entry {
  readonly timestamp: string
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, string>>
}

// The SDK has no call for logs; the paths are those of its own schema of the API.
const get = (path: string) =>
  Effect.flatMap(Server, ({ apiKey, url }) =>
    sdk(async () => {
      const response = await fetch(url + path, { headers: { "x-api-key": apiKey } })
      return { status: response.status, text: await response.text() }
    })
  )

const entriesOf = (box: Sandbox, query = "") =>
  Effect.map(
    get(`/v2/sandboxes/${box.sandboxId}/logs${query}`),
    ({ text }): ReadonlyArray<Entry> => JSON.parse(text).logs
  )

const messages = (box: Sandbox, query = "") =>
  Effect.map(entriesOf(box, query), (entries) => entries.map(({ message }) => message))

describe("the logs of a sandbox", () => {
  layer(serverLayer({ isolation: best }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("contain its states and its commands, and nothing that could be secret", () =>
      Effect.gen(function* () {
        const box = yield* sandbox({ envs: { KEY: "fake-secret-1" }, metadata: { note: "fake-secret-2" } })
        yield* sdk(() => box.commands.run("echo fake-secret-3; exit 0", { envs: { OTHER: "fake-secret-4" } }))
        yield* eventually(Effect.map(messages(box), (all) => all.includes("process ended")))
        yield* sdk(() => box.pause())
        yield* sdk(() => box.connect())
        const all = yield* entriesOf(box)
        assert.deepStrictEqual(
          all.map(({ message }) => message),
          ["sandbox created", "process started", "process ended", "sandbox paused", "sandbox resumed"]
        )
        assert.strictEqual(all[2]?.fields["status"], "exit status 0")
        assert.strictEqual(all[1]?.fields["pid"], all[2]?.fields["pid"])
        const first = yield* get(`/sandboxes/${box.sandboxId}/logs`)
        assert.notInclude(first.text + JSON.stringify(all), "fake-secret")
        const { logEntries, logs } = JSON.parse(first.text)
        assert.deepStrictEqual(logEntries, all)
        assert.strictEqual(logs[0].timestamp, all[0]?.timestamp)
        // The E2B CLI parses the line and reads these fields.
        assert.deepStrictEqual(JSON.parse(logs[0].line), {
          templateID: "base",
          timestamp: all[0]?.timestamp,
          level: "info",
          message: "sandbox created",
          logger: "e2b-local",
          instanceID: box.sandboxId
        })
      })
    )

    it.effect("can be selected by time, direction, level and text", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* output(box, "true")
        yield* eventually(Effect.map(messages(box), (all) => all.length === 3))
        assert.deepStrictEqual(yield* messages(box, "?direction=backward&limit=1"), ["process ended"])
        assert.deepStrictEqual(yield* messages(box, "?search=sandbox"), ["sandbox created"])
        assert.deepStrictEqual(yield* messages(box, "?level=warn"), [])
        assert.deepStrictEqual(yield* messages(box, "?cursor=99999999999999"), [])
        assert.strictEqual((yield* get(`/v2/sandboxes/${box.sandboxId}/logs?direction=up`)).status, 400)
        assert.strictEqual((yield* get("/v2/sandboxes/inone/logs")).status, 404)
        assert.strictEqual((yield* get("/sandboxes/inone/logs")).status, 404)
      })
    )
  })
})

describe("a log", () => {
  top.effect("forgets the oldest entries", () =>
    Effect.gen(function* () {
      const log = SandboxLog.make()
      for (let at = 0; at < 5000; at++) yield* log.write(`${at}`)
      assert.strictEqual(log.entries().length, 2000)
      assert.strictEqual(log.entries()[0]?.message, "3000")
    })
  )
})
