/** Which test belongs to which project. Files are known by their package and their base name, wherever they are. */

import { runsRest } from "./test/tier.ts"

/** What the tests of a project need. */
export type Project = "unit" | "contract" | "binary" | "faults" | "docs"

type Files = Readonly<Record<string, ReadonlyArray<string>>>

/** Real servers, sandboxes, databases and git. */
const contract: Files = {
  web: ["Page", "Views"],
  "e2b-local": [
    "Access",
    "Attempts",
    "HostileTrees",
    "Shared",
    "Calls",
    "Commands",
    "Contents",
    "Daemon",
    "Escape",
    "Files",
    "FilesystemPause",
    "Guest",
    "RequestGuard",
    "namespace/files",
    "Isolation",
    "Lifecycle",
    "Limits",
    "Logs",
    "PortTable",
    "Refusals",
    "SdkExamples",
    "SdkVersions",
    "shell",
    "SnapshotStore",
    "PseudoTerminal",
    "Transfer",
    "Watch"
  ],
  sandbox: [
    "Conformance",
    "errors",
    "process",
    "E2bSandboxErrors",
    "Host",
    "snapshots",
    "forceKill",
    "Job",
    "LocalSandboxes",
    "LocalDaemon",
    "shell",
    "Terminal"
  ],
  github: [
    "GitFailures",
    "GitHub",
    "GitHubSecrets",
    "GitLocks",
    "GitName",
    "GitRefusals",
    "GitSecrets",
    "GitWorkspace",
    "HostGit",
    "Network",
    "PushTargets",
    "WebhookReceiver",
    "gitServer"
  ],
  orchestrator: [
    "AgentRepository",
    "CustomTools",
    "Dexter",
    "ForkAgent",
    "HostBounds",
    "SetupSnapshotsLocal",
    "Local",
    "localRepository",
    "StateOwner",
    "Postgres",
    "PostgresFailures",
    "UpdateOnPush",
    "SetUp",
    "SqlStateStore",
    "SqliteFile",
    "StoreProperties"
  ],
  server: ["Contract", "EventStream", "Mcp", "Requests", "Server"],
  cli: ["AtServer"],
  "remote-agent": ["RemoteAgent"]
}

/** The bundle of the binary, as users run it. */
const binary: Files = {
  cli: [
    "AgentActs",
    "AgentCommands",
    "AgentProfiles",
    "AgentRecords",
    "Canary",
    "Cli",
    "Commands",
    "commandLine",
    "CompileCache",
    "Completions",
    "configShow",
    "dataFolder",
    "doctor",
    "init",
    "LocalCommands",
    "LocalFolder",
    "PoolCommands",
    "QueryCommands",
    "Repositories",
    "SandboxCommands",
    "Serve",
    "ServerDeaths",
    "Session",
    "Signals",
    "StateCommands",
    "Telemetry"
  ]
}

/** Processes that are killed, disks that are full, and whatever else goes wrong. */
const faults: Files = {
  "e2b-local": ["ServerDeath"],
  sandbox: ["AmbiguousCreate", "JobFaults"],
  orchestrator: [
    "ClientDeath",
    "Crash",
    "CrashedLives",
    "FullDisk",
    "Killed",
    "MemorySchedules",
    "RealSchedules",
    "RunDeaths",
    "RunWorkers",
    "SqlProcesses"
  ]
}

/** The pages, the examples, and how a release is made. */
const docs: Files = { cli: ["Deploy", "Documentation", "Examples", "Release"] }

/** Those of which the default run has only a part; there is nothing in the others that `rest` would add. */
const partly: Files = {
  web: ["Page", "Views"],
  "e2b-local": [
    "Attempts",
    "Calls",
    "Commands",
    "Contents",
    "Files",
    "FilesystemPause",
    "HostileTrees",
    "Lifecycle",
    "PortTable",
    "SdkExamples",
    "SdkVersions",
    "ServerDeath",
    "SnapshotStore",
    "PseudoTerminal",
    "Transfer",
    "Watch"
  ],
  sandbox: ["Conformance", "Job", "JobFaults", "LocalDaemon"],
  orchestrator: ["Crash", "Killed", "MemorySchedules", "RealSchedules", "RunDeaths", "SqlProcesses"],
  github: ["GitFailures", "GitWorkspace"],
  server: ["Contract", "EventStream"],
  cli: [
    "AgentCommands",
    "Commands",
    "LocalCommands",
    "PoolCommands",
    "Repositories",
    "ServerDeaths",
    "Session",
    "Signals"
  ]
}

/**
 * Those of which the default run has nothing: slow files whose kind of behaviour another file shows in a shorter way.
 * Run one with `REMOTE_AGENT_TESTS=full`.
 */
const later: Files = {
  sandbox: ["AmbiguousCreate"],
  github: ["GitLocks", "GitRefusals", "Network"],
  orchestrator: ["ClientDeath", "CrashedLives", "RunWorkers"],
  cli: ["AgentActs", "Examples", "Telemetry"]
}

const globs = (files: Files) =>
  Object.entries(files).flatMap(([name, all]) =>
    all.map((file) => `packages/${name}/test/**/${file}.test.ts`)
  )

const named = { contract, binary, faults, docs }

const everything = "packages/*/test/**/*.test.ts"
const examples = "examples/testing/*.test.ts"

/** The files of which this run has nothing. */
export const restOnly: ReadonlyArray<string> = runsRest ? [] : globs(later)

/** The files of each project. Those that are named nowhere are `unit`: they need nothing but this process. */
export const files: Readonly<
  Record<Project, { readonly include: ReadonlyArray<string>; readonly exclude: ReadonlyArray<string> }>
> = {
  unit: { include: [everything, "test/**/*.test.ts"], exclude: Object.values(named).flatMap(globs) },
  contract: { include: globs(contract), exclude: restOnly },
  binary: { include: globs(binary), exclude: restOnly },
  faults: { include: globs(faults), exclude: restOnly },
  docs: { include: [...globs(docs), examples], exclude: restOnly }
}

/** The files that the rest has, whole or in part. */
export const rest: ReadonlyArray<string> = [...globs(partly), ...globs(later)]
