import { NodeServices } from "@effect/platform-node"
import { assert, describe, it, vi } from "@effect/vitest"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { GitHub, GitWorkspace, Network } from "@remote-agent/github"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Effect, FileSystem, Layer, Redacted, Schema } from "effect"
import { env } from "node:process"
import * as FakeGitHub from "../support/FakeGitHub.ts"
import { certificate, connectProxy, overTls } from "../support/tlsServer.ts"

// Real processes and requests take as long as the machine needs.
vi.setConfig({ testTimeout: 120_000 })

const repo = { owner: "acme", name: "app" }

/** What the API and git make of a server behind TLS, with these variables. */
const reach = Effect.fnUntraced(function* (fake: FakeGitHub.FakeGitHub, variables: Record<string, string>) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "git-cache-" })
  const config = RemoteAgentConfig.layerFrom({ GITHUB_TOKEN: fake.secret, ...variables })
  const layer = GitWorkspace.layerConfig({
    cache: { directory },
    host: { path: env["PATH"], timeout: "30 seconds" }
  }).pipe(Layer.provideMerge(GitHub.layer), Layer.provide(config))
  const { create } = yield* Sandboxes.Sandboxes
  const sandbox = yield* create({ ttl: "10 minutes" })
  return yield* Effect.gen(function* () {
    const [api, git] = [yield* GitHub.GitHub, yield* GitWorkspace.GitWorkspace]
    const cloned = yield* Effect.result(git.clone(sandbox, { repository: "acme/app", dir: "work" }))
    const read = yield* Effect.result(api.repository(repo))
    return {
      api: read._tag === "Success" ? read.success.name : read.failure.reason._tag,
      git: cloned._tag === "Success" ? cloned.success.branch : cloned.failure.reason._tag,
      errors: [read, cloned].flatMap((one) => (one._tag === "Failure" ? [JSON.stringify(one.failure)] : []))
    }
  }).pipe(Effect.provide(layer))
}, Effect.scoped)

const services = Layer.fresh(Layer.merge(NodeServices.layer, LocalSandboxes.layer()))

const url = (name: string, port = "") => new URL(`https://${name}${port}/x`)

const chosen = (variables: Record<string, string>, address: string) =>
  Effect.gen(function* () {
    const proxy = Network.proxyFor(yield* Network.fromConfig, address)
    return proxy === undefined ? undefined : Redacted.value(proxy)
  }).pipe(Effect.provide(RemoteAgentConfig.layerFrom(variables)))

describe("Network", () => {
  it.live("routes the API and git through one proxy, to a server with a private certificate", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const fake = yield* FakeGitHub.make()
      yield* fake.createRepository("acme/app")
      yield* fake.commit("acme/app", "main", { "README.md": "one" })
      const port = yield* overTls(fake.url)
      const proxy = yield* connectProxy
      const file = `${yield* fs.makeTempDirectoryScoped()}/ca.pem`
      yield* fs.writeFileString(file, certificate)
      const direct = { GITHUB_API_URL: `https://localhost:${port}` }
      const behind = { GITHUB_API_URL: `https://github.test:${port}` }
      const reached = { api: "app", git: "main", errors: [] }

      // The certificate, by either variable, without a proxy.
      assert.deepInclude(yield* reach(fake, direct), { api: "Unreachable", git: "Unreachable" })
      assert.deepStrictEqual(yield* reach(fake, { ...direct, SSL_CERT_FILE: file }), reached)
      assert.deepStrictEqual(yield* reach(fake, { ...direct, NODE_EXTRA_CA_CERTS: file }), reached)
      assert.deepStrictEqual(proxy.asked, [])

      // The proxy, which alone knows the host.
      const proxied = { ...behind, NODE_EXTRA_CA_CERTS: file, HTTPS_PROXY: proxy.url }
      assert.deepStrictEqual(yield* reach(fake, proxied), reached)
      assert.isAtLeast(proxy.asked.length, 2)
      assert.deepStrictEqual(new Set(proxy.asked), new Set([`github.test:${port}`]))
      proxy.asked.length = 0

      // Not for hosts that are reached directly, and not without the password.
      const excluded = yield* reach(fake, { ...proxied, NO_PROXY: "example.com,.test" })
      assert.deepInclude(excluded, { api: "Unreachable", git: "Unreachable" })
      const refused = yield* reach(fake, { ...proxied, HTTPS_PROXY: `http://user:wr0ng@${proxy.host}` })
      assert.deepInclude(refused, { api: "Unreachable", git: "Unreachable" })
      assert.notInclude(refused.errors.join(), "wr0ng")
      const local = { ...direct, SSL_CERT_FILE: file, HTTPS_PROXY: proxy.url, no_proxy: "localhost" }
      assert.deepStrictEqual(yield* reach(fake, local), reached)
      assert.deepStrictEqual(proxy.asked, [])
    }).pipe(Effect.scoped, Effect.provide(services))
  )

  const Label = Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9]{0,8}$/))
  const Host = Schema.Array(Label).check(Schema.isMinLength(1), Schema.isMaxLength(4))

  it.effect.prop(
    "NO_PROXY means a host and everything below it, in every spelling",
    { above: Host, below: Host, other: Label },
    ({ above, below, other }) =>
      Effect.sync(() => {
        const host = above.join(".")
        for (const entry of [
          host,
          `.${host}`,
          `*.${host}`,
          host.toUpperCase(),
          `x.y, ${host}`,
          `x.y ${host}:443`
        ]) {
          assert.isTrue(Network.isDirect(entry, url(host)), entry)
          assert.isTrue(Network.isDirect(entry, url([...below, ...above].join("."))), entry)
          assert.isFalse(Network.isDirect(entry, url(`${other}${host}.${other}q`)), entry)
          assert.isFalse(Network.isDirect(entry, url(`${other}${host}`)), entry)
        }
        assert.isFalse(Network.isDirect(`${host}:444`, url(host)))
        assert.isTrue(Network.isDirect(`${host}:444`, url(host, ":444")))
        assert.isTrue(Network.isDirect("*", url(host)))
        assert.isFalse(Network.isDirect("", url(host)))
        assert.isTrue(Network.isDirect("[::1]", new URL("https://[::1]:8443")))
      })
  )

  it.effect("chooses the proxy of the protocol, else ALL_PROXY", () =>
    Effect.gen(function* () {
      const both = { HTTPS_PROXY: "proxy:1", http_proxy: "http://proxy:2", ALL_PROXY: "socks5://proxy:3" }
      assert.strictEqual(yield* chosen(both, "https://api.github.com"), "http://proxy:1")
      assert.strictEqual(yield* chosen(both, "http://ghe.test/api/v3"), "http://proxy:2")
      assert.strictEqual(
        yield* chosen({ ALL_PROXY: "socks5://proxy:3" }, "https://x.test"),
        "socks5://proxy:3"
      )
      assert.isUndefined(yield* chosen({ HTTP_PROXY: "http://proxy:2" }, "https://x.test"))
      assert.isUndefined(yield* chosen({}, "https://x.test"))
    })
  )
})
