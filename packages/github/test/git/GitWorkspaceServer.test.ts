import { assert, it } from "@effect/vitest"
import { GitWorkspace } from "@remote-agent/github"
import { Effect } from "effect"

it.effect("git is served where the API is, by its other name", () =>
  Effect.sync(() => {
    const server = GitWorkspace.serverOf
    assert.strictEqual(server(undefined), "https://github.com")
    assert.strictEqual(server("https://api.github.com"), "https://github.com")
    assert.strictEqual(server("https://git.example.com/api/v3"), "https://git.example.com")
    assert.strictEqual(server("https://example.com:8443/github/api/v3/"), "https://example.com:8443/github")
    assert.strictEqual(server("https://api.acme.ghe.com"), "https://acme.ghe.com")
    assert.strictEqual(server("http://127.0.0.1:4000"), "http://127.0.0.1:4000")
  })
)
