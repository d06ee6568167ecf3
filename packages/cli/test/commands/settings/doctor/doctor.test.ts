import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer } from "node:http"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { folder, run } from "../../../support/support.ts"

const limit = { timeout: 120_000 }

/** GitHub and E2B in one: they take one key each. */
const server = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<{ readonly url: string; readonly close: () => void }>((resolve) => {
        const http = createServer(({ headers, url }, response) => {
          if (url?.startsWith("/wrong/") === true) return response.writeHead(404).end()
          if (url?.startsWith("/limitless/") === true) {
            return response.writeHead(404, { "x-github-request-id": "1", "x-oauth-scopes": "repo" }).end()
          }
          const github = url === "/rate_limit"
          const fine = github
            ? headers.authorization === "Bearer ghp_fake_good"
            : headers["x-api-key"] === "e2b_fake_good"
          response.writeHead(fine ? 200 : 401, {
            "content-type": "application/json",
            date: new Date(Date.now() - 3_600_000).toUTCString(),
            ...(github && fine ? { "x-oauth-scopes": "gist" } : {})
          })
          response.end(github || !fine ? "{}" : "[]")
        })
        http.listen(0, "127.0.0.1", () => {
          const address = http.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          resolve({
            url: `http://127.0.0.1:${port}`,
            close: () => {
              http.close()
              http.closeAllConnections()
            }
          })
        })
      })
  ),
  ({ close }) => Effect.sync(close)
)

it.live(
  "is content with a machine that can do everything, and starts no server for it",
  Effect.fnUntraced(function* () {
    const cwd = yield* folder
    const { code, stdout } = yield* run(cwd, ["doctor"])
    assert.strictEqual(code, 0, stdout)
    for (const name of ["node", "settings", "git", "state", "profile sample", "disk (data)", "orphans"]) {
      assert.include(stdout, `  ${name}: `)
    }
    assert.strictEqual((yield* run(cwd, ["local", "status"])).code, 3)
  }),
  limit
)

it.live(
  "says of everything that fails what to do, and never shows a key",
  Effect.fnUntraced(function* () {
    const cwd = yield* folder
    const { url } = yield* server
    yield* Effect.promise(() => writeFile(join(cwd, "broken"), "x".repeat(200)))
    const env = {
      E2B_API_KEY: "e2b_fake_wrong",
      E2B_API_URL: url,
      GITHUB_TOKEN: "ghp_fake_wrong",
      GITHUB_API_URL: url,
      REMOTE_AGENT_PROVIDER: "e2b",
      REMOTE_AGENT_PROFILE: "codex",
      REMOTE_AGENT_STATE: "broken"
    }
    const { code, stdout } = yield* run(cwd, ["doctor"], env)
    assert.strictEqual(code, 1, stdout)
    for (const failed of ["provider", "github", "profile codex", "state"]) {
      assert.include(stdout, `FAILED   ${failed}: `)
    }
    assert.include(stdout, "Check E2B_API_KEY")
    assert.include(stdout, "set GITHUB_TOKEN")
    assert.notInclude(stdout, "_fake_")

    // What flags say counts more than the settings.
    const other = [
      "--provider",
      "local",
      "--isolation",
      "none",
      "--profile",
      "sample",
      "--state",
      "other.sqlite"
    ]
    const flagged = yield* run(cwd, ["doctor", "--json", ...other], { ...env, GITHUB_TOKEN: "" })
    assert.strictEqual(flagged.code, 0, flagged.stdout)
    for (const name of ["profile sample", "state", "isolation"]) {
      assert.match(flagged.stdout, new RegExp(`"name":"${name}","status":"(ok|warning)"`))
    }

    const good = { ...env, E2B_API_KEY: "e2b_fake_good", GITHUB_TOKEN: "ghp_fake_good" }
    const second = yield* run(cwd, ["doctor", "--json", "--state", "state.sqlite"], good)
    assert.include(second.stdout, `{"name":"e2b","status":"ok"`)
    assert.include(second.stdout, `{"name":"clock","status":"failed"`)
    assert.include(second.stdout, "The token has the scopes gist.")

    const third = yield* run(cwd, ["doctor", "--state", "state.sqlite"], {
      ...good,
      GITHUB_API_URL: `${url}/wrong`,
      REMOTE_AGENT_PROFILES: JSON.stringify({ mine: { extends: "nobody" }, yours: { extends: "nobody" } })
    })
    assert.match(
      third.stdout,
      /github: \S+\/wrong does not answer as GitHub does \(404\)\.\n +Check GITHUB_API_URL/
    )
    assert.match(
      third.stdout,
      /profiles: profiles\.mine.*\n +Name one of.*\n +profiles\.yours.*\n +Name one of/
    )
    const enterprise = { ...good, GITHUB_API_URL: `${url}/limitless` }
    const fourth = yield* run(cwd, ["doctor", "--state", "state.sqlite"], enterprise)
    assert.include(fourth.stdout, "ok       github: The token is accepted, with the scopes repo.")
    assert.include(third.stdout, "skipped  orphans: The settings or the profiles")
  }),
  limit
)
