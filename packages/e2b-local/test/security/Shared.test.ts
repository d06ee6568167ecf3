import { describeWhere } from "#test/where"
import { assert, describe, it as top, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Http from "node:http"
import * as Net from "node:net"
import { defaultReserve, largest } from "../../src/server/DiskGuard.ts"
import { hostLayer, missing, sandboxOf } from "../support/hosts.ts"
import {
  eventually,
  isolated,
  byMode,
  output,
  sandbox,
  sdk,
  Server,
  serverLayer,
  works
} from "../support/support.ts"

const MiB = 1024 * 1024

/** A service of the host on the loopback, which no sandbox may be a way to. */
const service = Effect.acquireRelease(
  Effect.callback<Http.Server>((resume) => {
    const server = Http.createServer((_, response) => response.end("a service of the host"))
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) =>
    Effect.callback<void>((resume) => {
      server.closeAllConnections()
      server.close(() => resume(Effect.void))
    })
)

/** A request through the port proxy, as the SDK sends it. */
const ask = (url: string, id: string, port: number) =>
  Effect.callback<{ readonly status: number; readonly text: string }>((resume) => {
    const headers = { "e2b-sandbox-id": id, "e2b-sandbox-port": `${port}` }
    Http.get(url, { headers, agent: false }, (response) => {
      let text = ""
      response
        .on("data", (chunk: Buffer) => (text += chunk.toString()))
        .on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, text })))
    }).on("error", (cause) => resume(Effect.die(cause)))
  })

byMode(isolated, "what sandboxes share with the host", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("ports lead to programs of the sandbox only", () =>
      Effect.gen(function* () {
        const { url } = yield* Server
        const [one, other, host] = [yield* sandbox(), yield* sandbox(), yield* service]
        const { port } = host.address() as Net.AddressInfo
        assert.strictEqual((yield* ask(url, one.sandboxId, port)).status, 502)
        const serve =
          "require('http').createServer((_, r) => r.end('mine')).listen(0, '127.0.0.1', function () { require('fs').writeFileSync('port', String(this.address().port)) })"
        yield* sdk(() => one.commands.run(`exec node -e "${serve}"`, { background: true, timeoutMs: 0 }))
        yield* output(one, "until [ -s port ]; do :; done")
        const own = Number(yield* output(one, "cat port"))
        assert.deepStrictEqual(yield* ask(url, one.sandboxId, own), { status: 200, text: "mine" })
        assert.strictEqual((yield* ask(url, other.sandboxId, own)).status, 502)
      })
    )

    it.effect("programs of sandboxes are killed before the server when memory runs out", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        assert.isAbove(Number(yield* output(box, "cat /proc/self/oom_score_adj")), 500)
        // A server with CAP_SYS_RESOURCE sets a bound below which no program can go.
        const status = yield* Effect.promise(() => Fs.readFile("/proc/self/status", "utf8"))
        const capabilities = BigInt(`0x${/^CapEff:\s+(\w+)$/m.exec(status)?.[1] ?? "0"}`)
        if (((capabilities >> 24n) & 1n) === 1n) {
          assert.strictEqual(
            yield* output(box, "echo 0 2>/dev/null > /proc/self/oom_score_adj || echo refused"),
            "refused"
          )
        }
      })
    )

    it.effect("idle connections do not use up the descriptors of the server", () =>
      Effect.gen(function* () {
        const { client, url } = yield* Server
        const port = Number(new URL(url).port)
        const sockets = yield* Effect.acquireRelease(
          Effect.sync(() =>
            Array.from({ length: 1500 }, () => Net.connect({ host: "127.0.0.1", port }).on("error", () => {}))
          ),
          (all) => Effect.sync(() => all.forEach((socket) => socket.destroy()))
        )
        for (const socket of sockets) socket.write("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ")
        yield* eventually(Effect.sync(() => sockets.filter((socket) => !socket.closed).length <= 64))
        const box = yield* sdk(() => client.Sandbox.create())
        assert.strictEqual(yield* output(box, "echo fine"), "fine")
        yield* sdk(() => box.kill())
      })
    )
  })

  layer(serverLayer({ isolation: mode, limits: { freeBytes: Number.MAX_SAFE_INTEGER } }), {
    excludeTestServices: true,
    timeout: "60 seconds"
  })((it) => {
    it.effect("a disk without space costs the sandbox with the most files, not the server", () =>
      Effect.gen(function* () {
        const { client, live } = yield* Server
        const box = yield* sdk(() => client.Sandbox.create())
        yield* eventually(Effect.map(live, (count) => count === 1))
        // The reserve is the whole disk, so no sandbox explains the lack of space.
        assert.strictEqual(yield* output(box, "echo kept"), "kept")
        yield* sdk(() => box.kill())
      })
    )
  })
})

describe("the disk guard", () => {
  top.effect("terminates the sandbox that uses the most, and none that uses little", () =>
    Effect.sync(() => {
      assert.strictEqual(defaultReserve(1000 * 1024 * MiB), 1024 * MiB)
      assert.strictEqual(defaultReserve(2000 * MiB), 100 * MiB)
      const few = [{ id: "a", used: MiB }]
      assert.strictEqual(largest(few, 1024 * MiB)._tag, "None")
      const many = [...few, { id: "b", used: 900 * MiB }, { id: "c", used: 300 * MiB }]
      const found = largest(many, 1024 * MiB)
      assert.strictEqual(found._tag === "Some" && found.value.id, "b")
    })
  )
})

const asRoot = missing("namespaces", "root")
const folder = "/usr/local/src"

// The mount is in a mount namespace of the server of the test.
const mounted = `exec unshare -m --propagation private sh -c 'mount -t tmpfs -o mode=1777 tmpfs ${folder}; exec "$@"' sh "$@"`

describeWhere(asRoot === "" && works("namespaces"), asRoot || "namespaces does not work here")(
  "mounts below the folders of the host (namespaces, root)",
  () => {
    layer(hostLayer("namespaces", "root", mounted), { excludeTestServices: true, timeout: "60 seconds" })(
      (it) => {
        it.effect("are read-only and ignore setuid", () =>
          Effect.gen(function* () {
            const box = yield* sandboxOf()
            const options = yield* output(box, `grep ' ${folder} ' /proc/self/mountinfo | cut -d' ' -f6`)
            assert.match(options, /^ro,.*nosuid/)
            assert.strictEqual(
              yield* output(box, `echo x > ${folder}/planted 2>/dev/null || echo refused`),
              "refused"
            )
          })
        )
      }
    )
  }
)
