/**
 * The JSON of E2B's control plane, as far as this server has it.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"

/** A field that clients leave out or set to null. */
const optional = <S extends Schema.Top>(schema: S) => Schema.optional(Schema.NullOr(schema))

const Text = Schema.Record(Schema.String, Schema.String)

/** Seconds, at most one day. */
const Timeout = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 86_400 })))

/** Number of items on one page. */
const Limit = Schema.FiniteFromString.pipe(
  Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 1000 }))
)

const LogLimit = Schema.FiniteFromString.pipe(
  Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: 1000 }))
)

/** Fields that are missing here are refused by name: ignoring them would break a promise to the client. */
export const CreateRequest = Schema.Struct({
  templateID: Schema.String,
  timeout: optional(Timeout),
  metadata: optional(Text),
  envVars: optional(Text),
  autoPause: optional(Schema.Boolean),
  autoPauseMemory: optional(Schema.Boolean),
  autoResume: optional(Schema.Struct({ enabled: optional(Schema.Boolean) })),
  allow_internet_access: optional(Schema.Boolean),
  network: optional(Schema.Struct({ allowPublicTraffic: optional(Schema.Boolean) })),
  // Every local sandbox is secure.
  secure: optional(Schema.Boolean)
})

/** Body of `connect`. */
export const ConnectRequest = Schema.Struct({ timeout: optional(Timeout), memory: optional(Schema.Boolean) })

/** Body of `resume`. `autoPause` was fixed at the creation. */
export const ResumeRequest = Schema.Struct({
  timeout: optional(Timeout),
  autoPause: optional(Schema.Boolean)
})

/** Body of `pause`. */
export const PauseRequest = Schema.Struct({ memory: optional(Schema.Boolean) })

/** Body of `timeout`. */
export const TimeoutRequest = Schema.Struct({ timeout: Timeout })

/** Body of `refreshes`. */
export const RefreshRequest = Schema.Struct({ duration: optional(Timeout) })

/** Body of `network`. Every rule is refused by name. */
export const NetworkRequest = Schema.Record(Schema.String, Schema.Unknown)

/** Body of `snapshots`. */
export const SnapshotRequest = Schema.Struct({ name: optional(Schema.String) })

/** Body of `fork`. */
export const ForkRequest = Schema.Struct({
  count: optional(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 64 })))),
  timeout: optional(Timeout)
})

/** Query of the list of sandboxes. */
export const ListQuery = Schema.Struct({
  metadata: Schema.optionalKey(Schema.String),
  state: Schema.optionalKey(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
  limit: Schema.optionalKey(Limit),
  nextToken: Schema.optionalKey(Schema.String),
  order: Schema.optionalKey(Schema.Literals(["asc", "desc"])),
  startedAfter: Schema.optionalKey(Schema.String),
  template: Schema.optionalKey(Schema.String)
})

/** Query of the list of snapshots. */
export const SnapshotQuery = Schema.Struct({
  sandboxID: Schema.optionalKey(Schema.String),
  name: Schema.optionalKey(Schema.String),
  limit: Schema.optionalKey(Limit),
  nextToken: Schema.optionalKey(Schema.String)
})

/** Query of the metrics of one sandbox, in seconds since the epoch. */
export const MetricsQuery = Schema.Struct({
  start: Schema.optionalKey(Schema.FiniteFromString),
  end: Schema.optionalKey(Schema.FiniteFromString)
})

/** Query of the metrics of several sandboxes. */
export const ManyMetricsQuery = Schema.Struct({
  sandbox_ids: Schema.optionalKey(Schema.Union([Schema.String, Schema.Array(Schema.String)]))
})

/** Query of the first version of the logs. */
export const LogQuery = Schema.Struct({
  start: Schema.optionalKey(Schema.FiniteFromString),
  limit: Schema.optionalKey(LogLimit)
})

/** Query of the second version of the logs. */
export const SecondLogQuery = Schema.Struct({
  cursor: Schema.optionalKey(Schema.FiniteFromString),
  direction: Schema.optionalKey(Schema.Literals(["forward", "backward"])),
  level: Schema.optionalKey(Schema.Literals(["debug", "info", "warn", "error"])),
  search: Schema.optionalKey(Schema.String),
  limit: Schema.optionalKey(LogLimit)
})

/** What a client needs to talk to a sandbox. */
export const Connection = Schema.Struct({
  sandboxID: Schema.String,
  templateID: Schema.String,
  clientID: Schema.String,
  envdVersion: Schema.String,
  envdAccessToken: Schema.String,
  trafficAccessToken: Schema.NullOr(Schema.String),
  domain: Schema.String
})

const State = Schema.Literals(["running", "paused"])

const summary = {
  sandboxID: Schema.String,
  templateID: Schema.String,
  clientID: Schema.String,
  startedAt: Schema.String,
  endAt: Schema.String,
  state: State,
  cpuCount: Schema.Int,
  memoryMB: Schema.Int,
  diskSizeMB: Schema.Int,
  envdVersion: Schema.String,
  metadata: Text
}

/** A sandbox in a list. */
export const Summary = Schema.Struct(summary)

/** A sandbox in detail. */
export const Detail = Schema.Struct({
  ...summary,
  envdAccessToken: Schema.String,
  domain: Schema.String,
  allowInternetAccess: Schema.Boolean,
  network: Schema.Struct({ allowPublicTraffic: Schema.Boolean }),
  lifecycle: Schema.Struct({ onTimeout: Schema.Literals(["pause", "kill"]), autoResume: Schema.Boolean }),
  volumeMounts: Schema.Array(Schema.Struct({}))
})

/** One sample of the metrics. */
export const Metric = Schema.Struct({
  timestamp: Schema.String,
  timestampUnix: Schema.Int,
  cpuCount: Schema.Int,
  cpuUsedPct: Schema.Finite,
  memUsed: Schema.Finite,
  memTotal: Schema.Finite,
  memCache: Schema.Finite,
  diskUsed: Schema.Finite,
  diskTotal: Schema.Finite
})

/** The newest sample of each sandbox. */
export const ManyMetrics = Schema.Struct({ sandboxes: Schema.Record(Schema.String, Metric) })

const LogEntry = Schema.Struct({
  timestamp: Schema.String,
  level: Schema.Literals(["debug", "info", "warn", "error"]),
  message: Schema.String,
  fields: Text
})

/** The first version of the logs: lines of JSON, and the same as entries. */
export const Logs = Schema.Struct({
  logs: Schema.Array(Schema.Struct({ timestamp: Schema.String, line: Schema.String })),
  logEntries: Schema.Array(LogEntry)
})

/** The second version of the logs. */
export const SecondLogs = Schema.Struct({ logs: Schema.Array(LogEntry) })

/** A snapshot. `memory` is not part of E2B's protocol: it shows clients that it contains no processes. */
export const SnapshotInfo = Schema.Struct({
  snapshotID: Schema.String,
  names: Schema.Array(Schema.String),
  memory: Schema.Boolean
})

/** One result of a fork. */
export const Fork = Schema.Union([
  Schema.Struct({ sandbox: Connection }),
  Schema.Struct({ error: Schema.Struct({ code: Schema.Int, message: Schema.String }) })
])

/** The template that a name stands for. */
export const TemplateAlias = Schema.Struct({ templateID: Schema.String, public: Schema.Boolean })
