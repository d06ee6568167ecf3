import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { E2bApi } from "../../src/api/E2bApi.ts"
import { Server, best, sandbox, sdk, serverLayer } from "../support/support.ts"

const source = fileURLToPath(import.meta.resolve("../../src/"))

interface Route {
  readonly method: string
  readonly path: string
}

const routesIn = async (name: string): Promise<ReadonlyArray<Route>> => {
  const text = await Fs.readFile(source + name, "utf8")
  return [...text.matchAll(/HttpRouter\.route\(\s*"([A-Z*]+)",\s*"([^"]+)"/g)].map(
    ([, method = "", path = ""]) => ({ method, path })
  )
}

// From the declaration, so that no endpoint can be added without being tried here.
const controlPlane: ReadonlyArray<Route> = [
  ...Object.values(E2bApi.groups).flatMap(({ endpoints }) =>
    Object.values(endpoints).map(({ method, path }): Route => ({ method, path }))
  ),
  { method: "PATCH", path: "/sandboxes/:id" },
  { method: "GET", path: "/volumes" }
]
const envd = (
  await Promise.all(
    ["envd/ProcessService.ts", "envd/FilesystemService.ts", "envd/FileTransfer.ts"].map(routesIn)
  )
)
  .flat()
  .filter(({ path }) => path !== "/health")

const ask = ({ method, path }: Route, id: string, headers: Record<string, string>) =>
  Effect.flatMap(Server, ({ url }) =>
    sdk(async () => {
      const response = await fetch(url + path.replace(":id", id), {
        method,
        headers: { "content-type": "application/json", ...headers },
        ...(method === "GET" ? {} : { body: "{}" })
      })
      await response.text()
      return response.status
    })
  )

const tokenOf = (id: string) =>
  Effect.flatMap(Server, ({ apiKey, url }) =>
    sdk(async (): Promise<string> => {
      const response = await fetch(`${url}/sandboxes/${id}`, { headers: { "x-api-key": apiKey } })
      return JSON.parse(await response.text()).envdAccessToken
    })
  )

describe("every route", () => {
  layer(serverLayer({ isolation: best }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("is in the tables of this test", () =>
      Effect.sync(() => {
        assert.isAbove(controlPlane.length, 20)
        assert.isAbove(envd.length, 15)
      })
    )

    it.effect("that does not exist is answered with 404, with and without a key", () =>
      Effect.gen(function* () {
        const { apiKey } = yield* Server
        for (const headers of [{}, { "x-api-key": apiKey }]) {
          assert.strictEqual(yield* ask({ method: "GET", path: "/no/such/path" }, "", headers), 404)
        }
      })
    )

    it.effect.each(controlPlane)("of the API is closed without its key: $method $path", (route) =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const token = yield* tokenOf(box.sandboxId)
        for (const headers of [
          {},
          { "x-api-key": "" },
          { "x-api-key": "e2b_wrong" },
          { "x-api-key": token },
          { "x-access-token": token, "e2b-sandbox-id": box.sandboxId }
        ]) {
          assert.strictEqual(
            yield* ask(route, box.sandboxId, headers),
            401,
            JSON.stringify(Object.keys(headers))
          )
        }
        const { live } = yield* Server
        assert.strictEqual(yield* live, 1)
        assert.isTrue(yield* sdk(() => box.isRunning()))
      })
    )

    it.effect("of a sandbox is closed without its own token", () =>
      Effect.gen(function* () {
        const { apiKey } = yield* Server
        const box = yield* sandbox()
        const other = yield* sandbox()
        const foreign = yield* tokenOf(other.sandboxId)
        const own = yield* tokenOf(box.sandboxId)
        for (const route of envd) {
          const status = (headers: Record<string, string>) => ask(route, box.sandboxId, headers)
          const name = `${route.method} ${route.path}`
          const at = { "e2b-sandbox-id": box.sandboxId, "e2b-sandbox-port": "49983" }
          assert.strictEqual(yield* status(at), 401, name)
          assert.strictEqual(yield* status({ ...at, "x-access-token": "" }), 401, name)
          assert.strictEqual(yield* status({ ...at, "x-access-token": foreign }), 401, name)
          assert.strictEqual(
            yield* status({ ...at, "x-access-token": apiKey, "x-api-key": apiKey }),
            401,
            name
          )
          assert.strictEqual(yield* status({ "e2b-sandbox-id": "inone", "x-access-token": own }), 502, name)
          assert.notInclude([401, 502], yield* status({ ...at, "x-access-token": own }), name)
        }
      })
    )
  })
})
