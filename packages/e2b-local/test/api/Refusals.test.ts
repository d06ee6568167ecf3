import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { type Sandbox, SandboxError, type SandboxOpts } from "e2b"
import { Server, best, failure, sandbox, sdk, serverLayer } from "../support/support.ts"

/** What can be asked for at a create and not be had here, with the word that the refusal must say. */
const creates: ReadonlyArray<readonly [SandboxOpts & { readonly template?: string }, string]> = [
  [{ network: { allowOut: ["api.example.com"] } }, "allowOut"],
  [{ network: { denyOut: ["1.1.1.1"] } }, "denyOut"],
  [{ network: { rules: { "api.example.com": [{ transform: { headers: { a: "b" } } }] } } }, "rules"],
  [{ network: { maskRequestHost: "localhost:3000" } }, "maskRequestHost"],
  [{ network: { httpsPorts: [8443] } }, "httpsPorts"],
  [{ network: { egressProxy: { address: "proxy.example:1080" } } }, "egressProxy"],
  [{ network: { allowPublicTraffic: false } }, "allowPublicTraffic"],
  [{ iam: { tokens: { cloud: { audience: "fake", tokenType: "jwt" } } } }, "iam"],
  [{ volumeMounts: { "/data": "volume" } }, "volumeMounts"],
  [{ mcp: {} }, "mcp"],
  [{ template: "built-from-an-image" }, "built-from-an-image"],
  [{ template: "mcp-gateway" }, "mcp-gateway"],
  [{ envs: { "NOT=A-NAME": "x" } }, "NOT=A-NAME"],
  [{ timeoutMs: 100_000_000 }, "timeout"]
]

/** What can be asked of a sandbox and not be had here. */
const calls: ReadonlyArray<readonly [name: string, word: string, call: (box: Sandbox) => Promise<void>]> = [
  ["updateNetwork", "denyOut", (box) => box.updateNetwork({ denyOut: ["1.1.1.1"] })]
]

describe("an option that cannot be honoured here", () => {
  layer(serverLayer({ isolation: best }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect.each(creates)("is refused at the create, by name: %j", ([options, word]) =>
      Effect.gen(function* () {
        const { client, live } = yield* Server
        const before = yield* live
        const { template = "base", ...rest } = options
        const refused = yield* failure(() => client.Sandbox.create(template, rest))
        if (!(refused instanceof SandboxError)) return assert.fail(String(refused))
        assert.include([400, 404], refused.statusCode)
        assert.include(refused.message, word)
        assert.notInclude(refused.message, "SchemaError")
        assert.strictEqual(yield* live, before)
      })
    )

    it.effect.each(calls)("is refused of a sandbox, by name: %s", ([, word, call]) =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const refused = yield* failure(() => call(box))
        assert.include(String(refused), word)
        assert.isTrue(yield* sdk(() => box.isRunning()))
      })
    )

    it.effect("is refused with the path of its route when all of it is missing", () =>
      Effect.gen(function* () {
        const { client } = yield* Server
        for (const [path, call] of [
          ["/volumes", async () => void (await client.Volume.create("v"))],
          ["/volumes", async () => void (await client.Volume.list())],
          ["/secrets", async () => void (await client.Secret.create("s", "fake-secret-value"))],
          [
            "/templates",
            async () => void (await client.Template.build(client.Template().fromImage("debian"), "name"))
          ]
        ] satisfies ReadonlyArray<readonly [string, () => Promise<void>]>) {
          const refused = String(yield* failure(call))
          assert.include(refused, path)
          assert.include(refused, "is not available in local sandboxes")
          assert.notInclude(refused, "fake-secret-value")
        }
      })
    )
  })
})
