import { RemoteAgentConfig } from "@remote-agent/domain"
import { DaemonControl, Isolation } from "@remote-agent/e2b-local"
import { Orchestrator, Profiles, StateStore } from "@remote-agent/orchestrator"
import { E2bSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Clock, Effect, FileSystem, Layer, Option, Redacted, Stream } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { execFile } from "node:child_process"
import { statfs } from "node:fs/promises"
import { tmpdir } from "node:os"
import { versions } from "node:process"
import * as App from "../../../app/App.ts"
import { type Environment, type Failure, toLines } from "../../../ui/Failure.ts"
import { CommandHost } from "../../../process/CommandHost.ts"
import * as NodeVersion from "../../../process/NodeVersion.ts"
import * as Settings from "../../../app/Settings.ts"
import * as State from "../../../app/State.ts"

/** What came of a check; only what is `failed` keeps agents from working. */
export type Status = "ok" | "warning" | "failed" | "skipped"

/** One thing that was looked at. */
export interface Check {
  readonly name: string
  readonly status: Status
  /** In one line, for people. */
  readonly detail: string
  /** What to type or to change, a line for each. */
  readonly todo?: string | undefined
}

type Checking = Effect.Effect<ReadonlyArray<Check>, Failure, Environment>

/** How long a check may take. */
const limit = "20 seconds"

/** A disk with less is full soon, in bytes. */
const enough = 512 * 1024 * 1024

/** A clock that is off by more makes certificates and tokens invalid, in milliseconds. */
const clockTolerance = 30_000

const check = (name: string, status: Status, detail: string, todo?: string): Check => ({
  name,
  status,
  detail,
  ...(todo === undefined ? {} : { todo })
})

const config = (flags: App.AppFlags) =>
  Settings.layer({
    REMOTE_AGENT_PROVIDER: flags.provider,
    REMOTE_AGENT_PROFILE: flags.profile,
    REMOTE_AGENT_ISOLATION: flags.isolation,
    REMOTE_AGENT_STATE: flags.state
  })

const node: Checking = Effect.sync(() => {
  const [detail = versions.node, todo] = NodeVersion.problem(versions.node)?.split("\n  ") ?? []
  return [check("node", todo === undefined ? "ok" : "failed", detail, todo)]
})

const settings: Checking = Effect.gen(function* () {
  yield* Settings.checked(yield* Settings.sources({}))
  return [check("settings", "ok", "They are in order.")]
})

const git: Checking = Effect.callback((resume) => {
  execFile("git", ["--version"], { timeout: 10_000 }, (error, stdout) => {
    resume(
      Effect.succeed([
        error === null
          ? check("git", "ok", stdout.trim())
          : check("git", "warning", "It was not found; repositories cannot be cloned.", "Install git.")
      ])
    )
  })
})

const isolation = Effect.map(Isolation.probe, ({ best, findings, hint }) =>
  Option.match(best, {
    onSome: (kind) => check("isolation", "ok", kind),
    onNone: () =>
      check(
        "isolation",
        "warning",
        `None works here (${findings.map(({ detail, kind }) => `${kind}: ${detail}`).join("; ")}); agents of others are refused.`,
        hint
      )
  })
)

const daemon = Effect.gen(function* () {
  const { dataFolder } = yield* CommandHost
  const found = yield* DaemonControl.look(dataFolder)
  switch (found._tag) {
    case "Running": {
      const { paused, running } = found.status
      return check("local server", "ok", `It runs, with ${running} sandboxes awake and ${paused} asleep.`)
    }
    case "Missing":
    case "Dead":
      return check("local server", "ok", "It is not running, and starts when it is needed.")
    case "Silent":
      return check("local server", "failed", "It does not answer.", "remote-agent local stop --yes")
    case "Damaged":
      return check("local server", "failed", `${found.path} is damaged.`, "Remove that file.")
  }
})

const e2b = Effect.gen(function* () {
  const first = Stream.unwrap(Effect.map(Sandboxes.Sandboxes, ({ list }) => list())).pipe(Stream.take(1))
  yield* Stream.runDrain(first)
  return [check("e2b", "ok", "It answers, and takes the key.")]
}).pipe(Effect.provide(E2bSandboxes.layerConfig))

/** What an address answers to a question without a body; nothing when it cannot be reached. */
const asked = (address: string, headers: Readonly<Record<string, string>> = {}) =>
  HttpClient.get(address, { headers }).pipe(
    Effect.map(({ headers: answered, status }) => ({ headers: answered, status })),
    Effect.option,
    Effect.provide(FetchHttpClient.layer)
  )

/** How far the clock is from that of who answers at an address. */
const clock = Effect.fnUntraced(function* (address: string) {
  const at = Option.match(yield* asked(address), {
    onNone: () => Number.NaN,
    onSome: ({ headers }) => Date.parse(headers["date"] ?? "")
  })
  const skew = Math.abs(at - (yield* Clock.currentTimeMillis))
  if (Number.isNaN(skew)) return check("clock", "skipped", "The provider does not say what time it is.")
  const detail = `It differs from that of the provider by ${Math.round(skew / 1000)} s.`
  return skew > clockTolerance
    ? check("clock", "failed", detail, "Set the clock: timedatectl set-ntp true")
    : check("clock", "ok", detail)
})

const provider = (flags: App.AppFlags): Checking =>
  Effect.gen(function* () {
    const { E2B_API_URL, REMOTE_AGENT_PROVIDER: name } = yield* RemoteAgentConfig.RemoteAgentConfig
    if (name === "e2b") {
      const time = yield* clock(E2B_API_URL ?? "https://api.e2b.app")
      return [time, ...(yield* e2b)]
    }
    return yield* Effect.all([isolation, daemon], { concurrency: 2 })
  }).pipe(Effect.provide(config(flags)))

/** What a status other than 200 means of the token, or of the address. */
const refused = (status: number, address: string | undefined): Check => {
  if (status === 401 || status === 403) {
    const where = address === undefined ? " at https://github.com/settings/tokens" : ""
    const todo = `Make a new token${where} and set GITHUB_TOKEN.`
    return check("github", "failed", `The token was refused (${status}).`, todo)
  }
  const todo =
    status === 404
      ? "Check GITHUB_API_URL; that of an Enterprise Server ends with /api/v3."
      : "Try again later."
  return check("github", "failed", `${address ?? "It"} does not answer as GitHub does (${status}).`, todo)
}

const github = (flags: App.AppFlags): Checking =>
  Effect.gen(function* () {
    const { GITHUB_API_URL, GITHUB_TOKEN } = yield* RemoteAgentConfig.RemoteAgentConfig
    if (GITHUB_TOKEN === undefined) return [check("github", "skipped", "GITHUB_TOKEN is not set.")]
    const address = `${GITHUB_API_URL ?? "https://api.github.com"}/rate_limit`
    const answer = yield* asked(address, {
      authorization: `Bearer ${Redacted.value(GITHUB_TOKEN)}`,
      "user-agent": "remote-agent"
    })
    if (Option.isNone(answer)) {
      return [check("github", "warning", "It could not be reached.", "Check the network and GITHUB_API_URL.")]
    }
    const { headers, status } = answer.value
    // An Enterprise Server without limits has none to tell, to who has a good token.
    const limitless = status === 404 && headers["x-github-request-id"] !== undefined
    if (status !== 200 && !limitless) {
      return [refused(status, GITHUB_API_URL)]
    }
    const scopes = headers["x-oauth-scopes"]
    if (scopes === undefined) return [check("github", "ok", "The token is accepted; it is fine-grained.")]
    return [
      scopes.split(/,\s*/).includes("repo")
        ? check("github", "ok", `The token is accepted, with the scopes ${scopes}.`)
        : check(
            "github",
            "warning",
            `The token has the scopes ${scopes === "" ? "(none)" : scopes}.`,
            "Give it the scope repo to push to private repositories and open pull requests."
          )
    ]
  }).pipe(Effect.provide(config(flags)))

const profiles = (flags: App.AppFlags): Checking =>
  Effect.gen(function* () {
    const [{ REMOTE_AGENT_PROFILE: wanted }, { get, list, prepare }] = [
      yield* RemoteAgentConfig.RemoteAgentConfig,
      yield* Profiles.Profiles
    ]
    yield* get(wanted)
    return yield* Effect.forEach(list, (profile) => {
      const name = `profile ${profile.name}`
      return prepare(profile).pipe(
        Effect.as(check(name, "ok", "It has what it needs.")),
        Effect.catchReason("OrchestratorError", "NotConfigured", ({ problems }) =>
          Effect.succeed(
            check(
              name,
              profile.name === wanted ? "failed" : "warning",
              problems.map(({ name: key, problem }) => `${key} ${problem}`).join("; "),
              problems
                .map(({ hint, name: key }) => (problems.length === 1 ? hint : `${key}: ${hint}`))
                .join("\n")
            )
          )
        )
      )
    })
  }).pipe(Effect.provide(Layer.provideMerge(Profiles.layer(), config(flags))))

const state = (flags: App.AppFlags): Checking =>
  Effect.gen(function* () {
    const store = yield* StateStore.StateStore
    yield* Stream.runDrain(Stream.take(store.listAgents(), 1))
    return [check("state", "ok", "It opens, and its schema is the one of this version.")]
  }).pipe(Effect.provide(State.layer(flags)))

const existing = Effect.fnUntraced(function* (
  folder: string
): Effect.fn.Return<string, never, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const there = yield* Effect.orElseSucceed(fs.exists(folder), () => false)
  const above = folder.replace(/\/[^/]*$/, "") || "/"
  return there || above === folder ? folder : yield* existing(above)
})

const disk = (name: string, folder: string): Checking =>
  Effect.gen(function* () {
    const place = yield* existing(folder)
    const found = yield* Effect.option(Effect.tryPromise(() => statfs(place)))
    if (Option.isNone(found)) return [check(name, "warning", `${place} cannot be looked at.`)]
    const free = found.value.bavail * found.value.bsize
    const detail = `${Math.floor(free / 1024 / 1024)} MiB are free at ${place}.`
    return [
      free < enough
        ? check(name, "failed", detail, "Remove what is not needed there.")
        : check(name, "ok", detail)
    ]
  })

const disks: Checking = Effect.gen(function* () {
  const { dataFolder, env } = yield* CommandHost
  const both = [disk("disk (data)", dataFolder), disk("disk (temporary)", env["TMPDIR"] ?? tmpdir())]
  return (yield* Effect.all(both)).flat()
})

/** Starts no local server for it: one that does not run has nothing to be left in. */
const orphans = (flags: App.AppFlags): Checking =>
  Effect.gen(function* () {
    const { REMOTE_AGENT_PROVIDER: name, REMOTE_AGENT_STATE: location } =
      yield* RemoteAgentConfig.RemoteAgentConfig
    const { dataFolder } = yield* CommandHost
    const runs = name === "e2b" || (yield* DaemonControl.look(dataFolder))._tag === "Running"
    if (location?._tag === "Memory" || !runs) {
      return [check("orphans", "skipped", "There is nothing that could hold any.")]
    }
    const report = yield* Effect.flatMap(Orchestrator.Orchestrator, ({ reap }) =>
      reap({ dryRun: true })
    ).pipe(Effect.provide(App.durable(flags)))
    const count = report.entries.filter(({ outcome }) => outcome === "planned").length
    return [
      count === 0
        ? check("orphans", "ok", "Nothing was left behind.")
        : check("orphans", "warning", `${count} things were left behind.`, "remote-agent reap")
    ]
  }).pipe(
    Effect.provide(config(flags)),
    Effect.catchTag("ConfigError", () =>
      Effect.succeed([check("orphans", "skipped", "The settings or the profiles are not in order.")])
    )
  )

/** A check that never fails, nor takes too long: then that is what came of it. */
const bounded = (name: string, checking: Checking): Effect.Effect<ReadonlyArray<Check>, never, Environment> =>
  checking.pipe(
    Effect.catch((failure) => {
      const [what = "", ...todo] = toLines(failure)
      return Effect.succeed([check(name, "failed", what, todo.map((text) => text.trim()).join("\n"))])
    }),
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () => Effect.succeed([check(name, "failed", `No answer within ${limit}.`, "Try again.")])
    })
  )

/** Everything that there is to check. */
export const all = (
  flags: App.AppFlags
): ReadonlyArray<Effect.Effect<ReadonlyArray<Check>, never, Environment>> => [
  bounded("node", node),
  bounded("settings", settings),
  bounded("provider", provider(flags)),
  bounded("git", git),
  bounded("github", github(flags)),
  bounded("profiles", profiles(flags)),
  bounded("state", state(flags)),
  bounded("disk", disks),
  bounded("orphans", orphans(flags))
]
