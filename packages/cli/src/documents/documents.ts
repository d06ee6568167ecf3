import { Agent, AgentEvent, Profile, Query } from "@remote-agent/domain"
import { Schema } from "effect"

/** What a command prints with `--json`. */
export interface Documents {
  /** `object`: one document. `lines`: one document per line, and nothing when there is none. */
  readonly shape: "object" | "lines"
  readonly schema: Schema.Codec<unknown, unknown>
}

const { Array: List, Boolean, Finite, Int, Struct, String: Text, optionalKey } = Schema

/** A failure. Every document that reports one has it as `error`. */
export const Failed = Struct({
  /** The tag of the reason, which programs may compare. */
  reason: Text,
  message: Text,
  /** Whether the same call may succeed later. */
  retryable: Boolean
})

/** What a command prints when it fails as a whole. */
export const FailureDocument = Struct({ error: Failed })

const jsonOf = <A, I>(schema: Schema.Codec<A, I>, identifier: string) =>
  Schema.toEncoded(Schema.toCodecJson(schema)).annotate({ identifier })

const agent = jsonOf(Agent.Agent, "Agent")
const { error: _query, ...queryFields } = Query.Query.fields
const query = jsonOf(Struct({ ...queryFields, error: optionalKey(Failed) }), "Query")
const { error: _result, ...resultFields } = Query.QueryResult.fields
const resultStruct = { ...resultFields, error: optionalKey(Failed) }
const result = jsonOf(Struct(resultStruct), "QueryResult")
const event = jsonOf(AgentEvent.EventRecord, "EventRecord")
const profile = jsonOf(Profile.Profile, "Profile")

const object = (schema: Schema.Codec<unknown, unknown>): Documents => ({ shape: "object", schema })
const lines = (schema: Schema.Codec<unknown, unknown>): Documents => ({ shape: "lines", schema })

/** A failure for one of several agents. */
const ofAgentFailed = Struct({ agent: Text, error: Failed })

/** Commands on several agents print one line for each. */
const eachAgent = (schema: Schema.Codec<unknown, unknown>) => lines(Schema.Union([ofAgentFailed, schema]))

const poolResult = Schema.Union([
  jsonOf(Struct({ index: Int, ...resultStruct }), "IndexedResult"),
  Struct({ index: Int, query: Text, error: Failed })
])

const usage = { inputTokens: Int, outputTokens: Int, wallMillis: Finite, costUsd: optionalKey(Finite) }
const costRow = Struct({ of: Text, queries: Int, ...usage })

const head = { branch: optionalKey(Text), commit: Text }

const pullRequest = {
  outcome: Schema.Literals(["created", "updated", "unchanged"]),
  url: Text,
  number: Int,
  repository: Text,
  branch: Text,
  base: Text,
  commit: Text,
  files: List(Text)
}

const issue = Struct({ number: Int, title: Text, url: Text })
const webhook = { id: Int, url: Text, active: Boolean, events: List(Text) }
const pool = Struct({ name: Text, agents: List(Text), failures: List(Text) })
const problem = Struct({ name: Text, problem: Text, hint: Text })
const NullOr = Schema.NullOr

const run = Struct({
  id: Text,
  name: optionalKey(Text),
  status: Text,
  profile: Text,
  size: Int,
  counts: Schema.Record(Text, Finite),
  createdAt: Text,
  endedAt: optionalKey(Text)
})

const answered = Struct({
  index: Int,
  query: Text,
  outcome: Text,
  answer: Text,
  error: optionalKey(Failed),
  attempts: Int,
  queryId: optionalKey(Text),
  agentId: optionalKey(Text)
})

const token = { id: Text, name: Text, scope: Text, createdAt: Text, expiresAt: NullOr(Text) }

/** The documents of every command, by its words. */
export const documents: Readonly<Record<string, Documents>> = {
  answer: object(result),
  ask: object(result),
  branch: object(Struct(head)),
  cancel: object(query),
  commit: object(Struct({ commit: Text })),
  completions: object(Struct({ shell: Text, script: Text })),
  "config check": object(Struct({ problems: List(problem) })),
  "config show": lines(
    Struct({
      name: Text,
      value: optionalKey(Text),
      source: optionalKey(Text),
      needsTrust: optionalKey(Boolean),
      fallback: Text,
      secret: Boolean,
      expected: Text,
      description: Text
    })
  ),
  cost: object(Struct({ by: Text, rows: List(costRow), total: costRow })),
  cp: object(Struct({ files: Int, bytes: Int, to: Text })),
  demo: object(Struct({ results: List(poolResult), agents: Int, millis: Finite, left: Int })),
  doctor: object(
    Struct({
      healthy: Boolean,
      checks: List(
        Struct({
          name: Text,
          status: Schema.Literals(["ok", "warning", "failed", "skipped"]),
          detail: Text,
          todo: optionalKey(Text)
        })
      )
    })
  ),
  exec: object(Struct({ exitCode: Int, stdout: Text, stderr: Text })),
  fork: object(agent),
  health: eachAgent(Struct({ healthy: Boolean })),
  info: object(
    Struct({ agent, sandbox: Text, endsAt: NullOr(Text), current: NullOr(query), queue: List(query) })
  ),
  init: object(Struct({ written: List(Text) })),
  "issue create": object(issue),
  "issue list": lines(issue),
  label: object(agent),
  launch: object(agent),
  list: lines(agent),
  "local serve": object(
    Struct({ pid: Int, isolation: Text, E2B_API_URL: Text, E2B_SANDBOX_URL: Text, E2B_API_KEY: Text })
  ),
  "local status": object(
    Schema.Union([
      Struct({ running: Schema.Literal(false), folder: Text }),
      Struct({ running: Schema.Literal(true), folder: Text, pid: Int, apiUrl: Text, isolation: Text })
    ])
  ),
  "local stop": object(Struct({ stopped: Boolean, pid: Int, sandboxes: Int })),
  logs: lines(event),
  pause: eachAgent(agent),
  "pool create": object(pool),
  "pool list": lines(
    Struct({ name: Text, profile: Text, status: Text, size: Int, active: Int, paused: Int, queries: Int })
  ),
  "pool resize": object(pool),
  "pool run": lines(poolResult),
  "pool terminate": object(Struct({ name: Text, terminated: Int })),
  "pr create": object(Struct(pullRequest)),
  profiles: lines(
    Struct({
      name: Text,
      description: Text,
      ready: Boolean,
      needs: List(Struct({ names: List(Text), required: Boolean, set: Boolean })),
      problems: List(problem)
    })
  ),
  "profiles show": object(profile),
  publish: object(Struct({ ...pullRequest, path: Text })),
  pull: object(Struct(head)),
  push: object(Struct({ branch: Text, commit: Text })),
  queries: lines(query),
  query: object(Schema.Union([result, query])),
  reap: object(
    Struct({
      at: Text,
      owner: Text,
      provider: Text,
      complete: Boolean,
      dryRun: Boolean,
      entries: List(Struct({ action: Text, outcome: Text, error: optionalKey(Failed) }))
    })
  ),
  rename: object(agent),
  resume: eachAgent(agent),
  "run cancel": object(run),
  "run list": lines(run),
  "run pause": object(run),
  "run results": lines(answered),
  "run resume": lines(Schema.Union([answered, run])),
  "run start": lines(Schema.Union([Struct({ id: Text }), answered, run])),
  "run status": object(run),
  "run watch": lines(run),
  serve: object(Struct({ url: Text, token: NullOr(Text), tokenFile: NullOr(Text) })),
  "state export": object(Struct({ agents: Int, queries: Int, events: Int, pools: Int })),
  "state import": object(
    Struct({
      agents: List(Struct({ id: Text, name: Text, outcome: Text })),
      queries: Int,
      pools: Int,
      notes: List(Text)
    })
  ),
  terminate: eachAgent(agent),
  "token create": object(Struct({ ...token, token: Text })),
  "token list": lines(Struct(token)),
  "token revoke": object(Struct({ id: Text, revoked: Boolean })),
  trust: lines(Struct({ path: Text, sha256: Text, at: Text })),
  update: eachAgent(Struct({ agentId: Text, from: NullOr(Text), to: NullOr(Text) })),
  version: object(Struct({ version: Text })),
  wait: lines(Schema.Union([result, Struct({ queryId: Text, error: Failed })])),
  "webhook create": object(
    Struct({ outcome: Schema.Literals(["created", "updated"]), ...webhook, secret: optionalKey(Text) })
  ),
  "webhook delete": object(Struct({ id: Int, deleted: Boolean })),
  "webhook list": lines(Struct(webhook)),
  "webhook ping": object(Struct({ id: Int, pinged: Boolean })),
  "webhook serve": object(Struct({ url: Text }))
}

/** Commands that print no document of their own: a page of help, a shell on a terminal, a server for another program. */
export const undocumented: ReadonlySet<string> = new Set(["help", "shell", "local daemon", "mcp"])
