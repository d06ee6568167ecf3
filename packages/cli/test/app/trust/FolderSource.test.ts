import { assert, describe, it } from "@effect/vitest"
import { RemoteAgentConfig } from "@remote-agent/domain"
import { Effect, Layer, Redacted } from "effect"
import { mkdir, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Settings from "../../../src/app/Settings.ts"
import * as FolderFile from "../../../src/app/trust/FolderFile.ts"
import * as TrustStore from "../../../src/app/trust/TrustStore.ts"
import { CommandHost } from "../../../src/process/CommandHost.ts"
import { folder } from "../../support/support.ts"

const put = (cwd: string, name: string, text: string) =>
  Effect.promise(() => writeFile(join(cwd, name), text, { mode: 0o600 }))

interface Wanted {
  readonly env?: Record<string, string>
  readonly flags?: Settings.Flags
  readonly userConfig?: string
  readonly trusts?: boolean
}

const host = (cwd: string, { env = {}, userConfig }: Wanted) =>
  Layer.succeed(CommandHost, {
    env,
    cwd,
    userConfig,
    dataFolder: join(cwd, "..", "data"),
    interactive: false,
    log: () => undefined,
    command: ["false"],
    leftovers: () => undefined
  })

const sources = (cwd: string, wanted: Wanted) =>
  Effect.provide(Settings.make({ trusts: wanted.trusts ?? false }), host(cwd, wanted))

const values = (cwd: string, wanted: Wanted = {}) =>
  Effect.flatMap(sources(cwd, wanted), (found) =>
    Effect.provide(
      RemoteAgentConfig.RemoteAgentConfig,
      Settings.layerOf(Settings.preferring("a flag", wanted.flags ?? {}, found))
    )
  )

const variable = (cwd: string, name: string, wanted: Wanted = {}) =>
  Effect.flatMap(sources(cwd, wanted), (found) =>
    Effect.provide(
      Effect.flatMap(RemoteAgentConfig.Variables, (lookup) => lookup([name])),
      Settings.layerOf(found)
    ).pipe(
      Effect.map((lookup) => lookup(name)),
      Effect.map((value) => (value === undefined ? undefined : Redacted.value(value)))
    )
  )

/** A project folder in a folder of its own. */
const project = Effect.flatMap(folder, (base) =>
  Effect.promise(async () => {
    const cwd = join(base, "project")
    await mkdir(cwd)
    await mkdir(join(base, "data"), { mode: 0o700 })
    return cwd
  })
)

const refused = Effect.fnUntraced(function* (cwd: string, wanted: Wanted = {}) {
  const { problems } = yield* Effect.flip(values(cwd, wanted))
  assert.strictEqual(problems.length, 1)
  return problems[0].what
})

const trust = (cwd: string, name: string) =>
  Effect.sync(() => {
    const file = FolderFile.read(cwd, name)
    if (file._tag === "Found") TrustStore.add(join(cwd, "..", "data"), { ...file, at: 0 })
  })

const privileged: Readonly<Record<string, unknown>> = {
  REMOTE_AGENT_ISOLATION: " none ",
  REMOTE_AGENT_STATE: "/tmp/theirs.sqlite",
  REMOTE_AGENT_OWNER: "another",
  REMOTE_AGENT_METRICS_FILE: "/tmp/metrics",
  GITHUB_API_URL: "https://github.example.com",
  E2B_API_URL: "https://e2b.example.com",
  E2B_SANDBOX_URL: "https://e2b.example.com",
  E2B_TEMPLATE: "theirs",
  OTEL_EXPORTER_OTLP_ENDPOINT: "https://otel.example.com"
}

describe("a folder that is not trusted", () => {
  it.effect.each(Object.entries(privileged))("may not set %s, in either file", ([name, value]) =>
    Effect.gen(function* () {
      const cwd = yield* project
      yield* put(cwd, "remote-agent.json", JSON.stringify({ [name]: value }))
      assert.strictEqual(yield* refused(cwd), `remote-agent.json sets ${name}, which needs your trust`)
      yield* put(cwd, "remote-agent.json", "{}")
      yield* put(cwd, ".env", `export ${name}='${String(value)}'\n`)
      assert.strictEqual(yield* refused(cwd), `.env sets ${name}, which needs your trust`)
      assert.isDefined(yield* values(cwd, { trusts: true }))
    })
  )

  it.effect("names everything that one file wants in one problem, which says what to do", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      yield* put(cwd, "remote-agent.json", JSON.stringify({ ...privileged, DEXTER_MAX_STEPS: 7 }))
      const { problems } = yield* Effect.flip(values(cwd))
      assert.strictEqual(problems.length, 1)
      assert.match(problems[0].what, /^remote-agent\.json sets \w+, \w+, \w+, \w+ and others, which needs/)
      assert.match(problems[0].hint, /`remote-agent trust`/)
    })
  )

  it.effect("may not choose programs, files, variables or code of a profile", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      for (const own of [
        { run: { argv: ["sh", "-c", "id"] } },
        { assets: [{ path: "{home}/x", file: "/etc/passwd" }] },
        { env: [{ name: "X", from: ["GITHUB_TOKEN"] }] },
        { setup: [] },
        { source: { repository: "https://example.com/x", ref: "main", folder: "{home}/x" } },
        { health: { argv: ["true"] } },
        { run: "text" }
      ]) {
        const profiles = { mine: { extends: "sample", ...own } }
        yield* put(cwd, "remote-agent.json", JSON.stringify({ profiles }))
        assert.match(yield* refused(cwd), /sets profiles\.mine\.[a-z.]+, which needs your trust/)
        yield* put(cwd, "remote-agent.json", "{}")
        yield* put(cwd, ".env", `REMOTE_AGENT_PROFILES='${JSON.stringify(profiles)}'\n`)
        assert.match(yield* refused(cwd), /^\.env sets profiles\.mine\./)
        yield* put(cwd, ".env", "")
      }
    })
  )

  it.effect("may set what an ordinary project sets", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      const plain = {
        REMOTE_AGENT_PROVIDER: "e2b",
        REMOTE_AGENT_PROFILE: "mine",
        REMOTE_AGENT_ISOLATION: "namespaces",
        REMOTE_AGENT_SETUP_CACHE: false,
        E2B_DEFAULT_TIMEOUT: 60,
        GITHUB_REPO_OWNER: "octocat",
        ENABLE_CLAUDE_CODE: "true",
        profiles: {
          mine: { extends: "claude-code", description: "d", run: { model: "m", wallTimeout: "5 minutes" } }
        },
        prices: { m: { input: 1, output: 2 } }
      }
      yield* put(cwd, "remote-agent.json", JSON.stringify(plain))
      yield* put(cwd, ".env", "E2B_API_KEY=e2b_0000\nOPENROUTER_API_KEY=or-0000\n")
      assert.strictEqual((yield* values(cwd)).REMOTE_AGENT_PROFILE, "mine")
      assert.strictEqual(yield* variable(cwd, "OPENROUTER_API_KEY"), "or-0000")
    })
  )

  it.effect("may not lead connections or programs elsewhere by variables of .env", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      for (const name of [
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "NODE_EXTRA_CA_CERTS",
        "SSL_CERT_FILE"
      ]) {
        yield* put(cwd, ".env", `${name}=/tmp/theirs\n`)
        assert.strictEqual(yield* refused(cwd), `.env sets ${name}, which needs your trust`)
        assert.strictEqual(yield* variable(cwd, name, { env: { [name]: "mine" } }), "mine")
      }
      for (const name of ["NODE_OPTIONS", "PATH", "LD_PRELOAD", "GIT_SSH_COMMAND", "ANTHROPIC_BASE_URL"]) {
        yield* put(cwd, ".env", `${name}=/tmp/theirs\n`)
        // Other programs share the file, so only looking the variable up is refused.
        assert.isDefined(yield* values(cwd))
        const { problems } = yield* Effect.flip(variable(cwd, name))
        assert.strictEqual(problems[0].what, `.env sets ${name}, which needs your trust`)
        assert.strictEqual(yield* variable(cwd, name, { env: { [name]: "mine" } }), "mine")
        assert.strictEqual(yield* variable(cwd, name, { trusts: true }), "/tmp/theirs")
      }
    })
  )

  it.effect("may not give the keys of the user to its own E2B account", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      yield* put(cwd, ".env", "E2B_API_KEY=e2b_theirs\n")
      const env = { ANTHROPIC_API_KEY: "sk-mine" }
      assert.strictEqual(yield* refused(cwd, { env }), ".env sets E2B_API_KEY, which needs your trust")
      assert.isDefined(yield* values(cwd, { env: { ...env, E2B_API_KEY: "e2b_mine" } }))
    })
  )

  it.effect("has no effect on what a flag, the environment or the user's own settings decide", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      const userConfig = join(cwd, "..", "config.json")
      yield* put(cwd, "..", "").pipe(Effect.ignoreCause)
      yield* Effect.promise(() =>
        writeFile(userConfig, '{ "REMOTE_AGENT_ISOLATION": "none" } // mine', { mode: 0o600 })
      )
      assert.strictEqual((yield* values(cwd, { userConfig })).REMOTE_AGENT_ISOLATION, "none")
      yield* put(cwd, "remote-agent.json", '{ "REMOTE_AGENT_OWNER": "theirs" }')
      const name = "REMOTE_AGENT_OWNER"
      assert.strictEqual((yield* values(cwd, { env: { [name]: "env" } }))[name], "env")
      assert.strictEqual((yield* values(cwd, { flags: { [name]: "flag" } }))[name], "flag")
    })
  )

  it.effect("cannot hide a setting behind a name of the language", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      yield* put(cwd, "remote-agent.json", '{ "__proto__": { "REMOTE_AGENT_ISOLATION": "none" } }')
      assert.strictEqual(yield* refused(cwd), "remote-agent.json:1:3: __proto__ is not a setting")
      yield* put(
        cwd,
        "remote-agent.json",
        '{ "REMOTE_AGENT_ISOLATION": "auto", "REMOTE_AGENT_ISOLATION": "none" }'
      )
      assert.match(yield* refused(cwd), /REMOTE_AGENT_ISOLATION, which needs your trust/)
    })
  )

  it.effect("is not asked for the files of its parents", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      yield* put(join(cwd, ".."), "remote-agent.json", '{ "REMOTE_AGENT_ISOLATION": "none" }')
      yield* put(join(cwd, ".."), ".env", "REMOTE_AGENT_PROFILE=theirs\n")
      const { REMOTE_AGENT_ISOLATION: isolation, REMOTE_AGENT_PROFILE: profile } = yield* values(cwd)
      assert.deepStrictEqual([isolation, profile], ["auto", "sample"])
    })
  )
})

describe("trust", () => {
  it.effect("is for one file with one content", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      yield* put(cwd, "remote-agent.json", '{ "REMOTE_AGENT_ISOLATION": "none" }')
      yield* put(cwd, ".env", "E2B_TEMPLATE=mine\n")
      yield* trust(cwd, "remote-agent.json")
      assert.match(yield* refused(cwd), /^\.env sets E2B_TEMPLATE/)
      yield* trust(cwd, ".env")
      assert.strictEqual((yield* values(cwd)).REMOTE_AGENT_ISOLATION, "none")
      yield* put(cwd, "remote-agent.json", '{ "REMOTE_AGENT_ISOLATION": "none" } ')
      assert.match(yield* refused(cwd), /^remote-agent\.json sets REMOTE_AGENT_ISOLATION/)
    })
  )

  it.effect("does not follow a link to a trusted file from another folder", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      yield* put(cwd, "remote-agent.json", '{ "REMOTE_AGENT_ISOLATION": "none" }')
      yield* trust(cwd, "remote-agent.json")
      const other = join(cwd, "..", "other")
      yield* Effect.promise(async () => {
        await mkdir(other)
        await symlink(join(cwd, "remote-agent.json"), join(other, "remote-agent.json"))
      })
      assert.match(yield* refused(other), /^remote-agent\.json is a link to a file outside this folder/)
      assert.strictEqual((yield* values(other, { trusts: true })).REMOTE_AGENT_ISOLATION, "none")
    })
  )

  it.effect("holds for a folder that is reached by a link", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      yield* put(cwd, "remote-agent.json", '{ "REMOTE_AGENT_ISOLATION": "none" }')
      yield* trust(cwd, "remote-agent.json")
      const linked = join(cwd, "..", "linked")
      yield* Effect.promise(() => symlink(cwd, linked))
      assert.strictEqual((yield* values(linked)).REMOTE_AGENT_ISOLATION, "none")
    })
  )

  it.effect("comes from REMOTE_AGENT_TRUST, which only the environment sets", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      yield* put(cwd, "remote-agent.json", '{ "REMOTE_AGENT_ISOLATION": "none" }')
      yield* put(cwd, ".env", `REMOTE_AGENT_TRUST=${cwd}\n`)
      assert.match(yield* refused(cwd), /REMOTE_AGENT_ISOLATION/)
      for (const path of [cwd, ".", "remote-agent.json", `/nowhere:${cwd}`]) {
        const { REMOTE_AGENT_ISOLATION } = yield* values(cwd, { env: { REMOTE_AGENT_TRUST: path } })
        assert.strictEqual(REMOTE_AGENT_ISOLATION, "none")
      }
      assert.match(yield* refused(cwd, { env: { REMOTE_AGENT_TRUST: "/nowhere" } }), /ISOLATION/)
    })
  )

  it.effect("is worth nothing in a data folder that other users can write to", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      yield* put(cwd, "remote-agent.json", '{ "REMOTE_AGENT_ISOLATION": "none" }')
      yield* trust(cwd, "remote-agent.json")
      const { chmod } = yield* Effect.promise(() => import("node:fs/promises"))
      yield* Effect.promise(() => chmod(join(cwd, "..", "data", "trust"), 0o777))
      assert.match(yield* refused(cwd), /REMOTE_AGENT_ISOLATION/)
    })
  )
})

describe("an address that gets a key", () => {
  it.effect("is refused without HTTPS unless it is on this machine", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      for (const name of ["GITHUB_API_URL", "E2B_API_URL", "E2B_SANDBOX_URL"]) {
        for (const url of [
          "http://example.com",
          "http://127.0.0.1.example.com",
          "http://localhost.example.com"
        ]) {
          assert.strictEqual(yield* refused(cwd, { env: { [name]: url } }), `${name} is not valid`)
        }
        for (const url of [
          "https://example.com",
          "http://127.0.0.1:3000",
          "http://[::1]:3000",
          "http://localhost"
        ]) {
          assert.isDefined(yield* values(cwd, { env: { [name]: url } }))
        }
      }
      const plain = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }
      assert.isDefined(yield* values(cwd, { env: plain }))
      assert.match(
        yield* refused(cwd, { env: { ...plain, OTEL_EXPORTER_OTLP_HEADERS: "authorization=x" } }),
        /^OTEL_EXPORTER_OTLP_ENDPOINT would get/
      )
    })
  )
})
