import { assert, it } from "@effect/vitest"
import { E2bSandboxes, type Sandbox } from "@remote-agent/sandbox"
import { Effect, Redacted } from "effect"
import { id, json, pointedAt, serve, view } from "../support/wire.ts"

const shown = ({ headers, url }: Sandbox.Host) => ({
  url,
  headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Redacted.value(value)]))
})

const hostAt = Effect.fnUntraced(function* (sandboxUrl: string | undefined, more: object) {
  const { url } = yield* serve(() => json(201, { ...view, ...more }))
  const sandboxes = yield* E2bSandboxes.make(pointedAt(url, { sandboxUrl }))
  const sandbox = yield* sandboxes.launch({ ttl: "1 minute" })
  return shown(yield* sandbox.host(3000))
}, Effect.scoped)

it.live("returns a host name for each port, below the domain of the sandbox", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* hostAt(undefined, { domain: "sandboxes.example" }), {
      url: `https://3000-${id}.sandboxes.example`,
      headers: {}
    })
  })
)

it.live("selects sandbox and port by headers behind one address, and adds the token of a private port", () =>
  Effect.gen(function* () {
    const host = yield* hostAt("http://127.0.0.1:1/", { trafficAccessToken: "fake-traffic-token" })
    assert.deepStrictEqual(host, {
      url: "http://127.0.0.1:1",
      headers: {
        "e2b-sandbox-id": id,
        "e2b-sandbox-port": "3000",
        "e2b-traffic-access-token": "fake-traffic-token"
      }
    })
  })
)

it.live("needs no name resolution for a sandbox below localhost", () =>
  Effect.gen(function* () {
    for (const [domain, url] of [
      ["localhost:3001", "http://127.0.0.1:3001"],
      ["localhost", "http://127.0.0.1"]
    ] as const) {
      assert.deepStrictEqual(yield* hostAt(undefined, { domain }), {
        url,
        headers: { "e2b-sandbox-id": id, "e2b-sandbox-port": "3000" }
      })
    }
  })
)
