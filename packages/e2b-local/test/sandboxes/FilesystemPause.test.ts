import { describeOnce } from "#test/once"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SandboxError } from "e2b"
import { api, send } from "../support/http.ts"
import {
  eventually,
  failure,
  leftOnHost,
  modes,
  output,
  byMode,
  sandbox,
  sdk,
  Server,
  serverLayer
} from "../support/support.ts"

const alias = (name: string) =>
  Effect.map(api("GET", `/templates/aliases/${name}`), ({ status, text }) => [status, JSON.parse(text)])

byMode(modes, "a pause without memory", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    const background = "while :; do sleep 0.05; done"

    it.effect("keeps the files and ends the processes", () =>
      Effect.gen(function* () {
        const { client } = yield* Server
        const box = yield* sandbox({ envs: { KEPT: "yes" } })
        yield* output(box, `echo file > file; echo temporary > "\${TMPDIR:-/tmp}/file"`)
        yield* sdk(() => box.commands.run(background, { background: true, timeoutMs: 0 }))
        assert.isTrue(yield* sdk(() => box.pause({ keepMemory: false })))
        assert.strictEqual((yield* sdk(() => box.getInfo())).state, "paused")
        const again = yield* sdk(() => client.Sandbox.connect(box.sandboxId))
        assert.lengthOf(yield* sdk(() => again.commands.list()), 0)
        assert.strictEqual(
          yield* output(again, `cat file "\${TMPDIR:-/tmp}/file"; echo $KEPT; id -un | wc -l`),
          "file\ntemporary\nyes\n1"
        )
        // And once more, with a file that was written after the first boot.
        yield* output(again, "echo second > second")
        yield* sdk(() => again.pause({ keepMemory: false }))
        yield* sdk(() => again.connect())
        assert.strictEqual(yield* output(again, "cat file second"), "file\nsecond")
      })
    )

    it.effect("is the result of a reboot after a pause with memory", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* output(box, "echo file > file")
        yield* sdk(() => box.commands.run(background, { background: true, timeoutMs: 0 }))
        yield* sdk(() => box.pause())
        yield* sdk(() => box.connect({ onResume: "reboot" }))
        assert.lengthOf(yield* sdk(() => box.commands.list()), 0)
        assert.strictEqual(yield* output(box, "cat file"), "file")
        // A running sandbox is not rebooted.
        yield* sdk(() => box.commands.run(background, { background: true, timeoutMs: 0 }))
        yield* sdk(() => box.connect({ onResume: "reboot" }))
        assert.lengthOf(yield* sdk(() => box.commands.list()), 1)
      })
    )

    it.effect("happens at the end of the ttl when the sandbox was created so", () =>
      Effect.gen(function* () {
        const box = yield* sandbox({
          timeoutMs: 2000,
          lifecycle: { onTimeout: { action: "pause", keepMemory: false } }
        })
        yield* output(box, "echo file > file")
        yield* sdk(() => box.commands.run(background, { background: true, timeoutMs: 0 }))
        yield* eventually(
          Effect.map(
            sdk(() => box.getInfo()),
            ({ state }) => state === "paused"
          )
        )
        yield* sdk(() => box.connect())
        assert.lengthOf(yield* sdk(() => box.commands.list()), 0)
        assert.strictEqual(yield* output(box, "cat file"), "file")
      })
    )

    it.effect("leaves nothing when the sandbox is killed, and can be copied", () =>
      Effect.gen(function* () {
        const { client, directory, live } = yield* Server
        const before = yield* live
        const box = yield* sdk(() => client.Sandbox.create())
        yield* output(box, "echo file > file")
        yield* sdk(() => box.pause({ keepMemory: false }))
        const { snapshotId } = yield* sdk(() => box.createSnapshot())
        const copy = yield* sdk(() => client.Sandbox.create(snapshotId))
        assert.strictEqual(yield* output(copy, "cat file"), "file")
        yield* sdk(() => copy.kill())
        yield* sdk(() => box.kill())
        yield* sdk(() => client.Sandbox.deleteSnapshot(snapshotId))
        assert.strictEqual(yield* live, before)
        assert.deepStrictEqual(yield* leftOnHost(directory, [box.sandboxId, copy.sandboxId]), [])
      })
    )

    it.effect("cannot resume by itself", () =>
      Effect.gen(function* () {
        const reply = yield* api("POST", "/v2/sandboxes", {
          templateID: "base",
          autoPause: true,
          autoPauseMemory: false,
          autoResume: { enabled: true }
        })
        assert.strictEqual(reply.status, 400)
      })
    )
  })
})

describeOnce("the first version of the API", () => {
  layer(serverLayer({ isolation: "none" }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    const create = Effect.map(
      api("POST", "/sandboxes", { templateID: "base", timeout: 60 }),
      ({ status, text }) => {
        assert.strictEqual(status, 201, text)
        return String(JSON.parse(text).sandboxID)
      }
    )

    it.effect("creates, pauses, resumes, connects, refreshes and lists", () =>
      Effect.gen(function* () {
        const id = yield* create
        const call = (path: string, body: unknown = {}) =>
          Effect.map(api("POST", `/sandboxes/${id}${path}`, body), ({ status }) => status)
        assert.strictEqual(yield* call("/connect", { timeout: 90 }), 200)
        assert.strictEqual(yield* call("/resume", { timeout: 90 }), 409)
        assert.strictEqual(yield* call("/pause", ""), 204)
        assert.strictEqual(yield* call("/pause", ""), 409)
        assert.strictEqual(yield* call("/timeout", { timeout: 5 }), 409)
        assert.deepStrictEqual(JSON.parse((yield* api("GET", "/sandboxes")).text), [])
        assert.strictEqual(yield* call("/resume", { timeout: 90, autoPause: true }), 201)
        assert.strictEqual(yield* call("/pause", null), 204)
        assert.strictEqual(yield* call("/connect", { timeout: 90 }), 201)
        assert.strictEqual(yield* call("/refreshes", { duration: 200 }), 204)
        assert.lengthOf(JSON.parse((yield* api("GET", "/sandboxes")).text), 1)
        const metrics = yield* api("GET", `/sandboxes/metrics?sandbox_ids=${id},inone`)
        assert.deepStrictEqual(Object.keys(JSON.parse(metrics.text).sandboxes), [id])
        assert.strictEqual((yield* api("DELETE", `/sandboxes/${id}`)).status, 204)
        assert.strictEqual((yield* api("DELETE", `/sandboxes/${id}`)).status, 404)
      })
    )

    it.effect("returns the template of a name", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* sdk(() => box.createSnapshot({ name: "mine" }))
        assert.deepStrictEqual(yield* alias("base"), [200, { templateID: "base", public: true }])
        assert.strictEqual((yield* alias("mine"))[0], 200)
        assert.strictEqual((yield* alias(encodeURIComponent("local/mine")))[0], 200)
        const [status, body] = yield* alias("n".repeat(300))
        assert.strictEqual(status, 404)
        assert.include(body.message, "was not found")
        yield* api("DELETE", "/templates/mine")
      })
    )

    it.effect("takes a body of any type, and refuses one that does not fit, in words", () =>
      Effect.gen(function* () {
        const { apiKey, live } = yield* Server
        const before = yield* live
        const reply = yield* send("/sandboxes", {
          method: "POST",
          headers: { "x-api-key": apiKey, "content-type": "text/plain" },
          body: '{"templateID":"base","timeout":null,"metadata":null}'
        })
        assert.strictEqual(reply.status, 201, reply.text)
        yield* api("DELETE", `/sandboxes/${JSON.parse(reply.text).sandboxID}`)
        for (const [body, word] of [
          [{}, "templateID is required"],
          ["{", "JSON"],
          [{ templateID: "base", network: { denyOut: ["1.1.1.1"], allowOut: ["x"] } }, "network.allowOut"],
          [{ templateID: "base", volumeMounts: [] }, "volumeMounts is not available"],
          [{ templateID: "base", timeout: -1 }, "timeout must be"]
        ] as const) {
          const refused = yield* api("POST", "/sandboxes", body)
          const { code, message } = JSON.parse(refused.text)
          assert.deepStrictEqual([refused.status, code], [400, 400])
          assert.include(message, word)
          assert.notInclude(message, "SchemaError")
        }
        assert.strictEqual(yield* live, before)
      })
    )

    it.effect("says that a sandbox was not found", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* sdk(() => box.kill())
        const reply = yield* send("/files?path=x", {
          headers: { "e2b-sandbox-id": box.sandboxId, "x-access-token": "any" }
        })
        assert.deepStrictEqual(
          [reply.status, JSON.parse(reply.text).message],
          [502, "The sandbox was not found"]
        )
        assert.instanceOf(yield* failure(() => box.getInfo()), SandboxError)
        // The end of the test kills it again.
      })
    )
  })
})
