/** Sandboxes at E2B, or at another server that speaks its protocol. */
export * as E2bSandboxes from "./e2b/E2bSandboxes.ts"

/** Commands that survive their client. */
export * as Job from "./job/Job.ts"

/** Keeps a sandbox alive by extending its ttl. */
export * as KeepAlive from "./KeepAlive.ts"

/** Sandboxes on this machine. */
export * as LocalSandboxes from "./local/LocalSandboxes.ts"

/** Sandboxes in memory, for tests. */
export * as MemorySandboxes from "./memory/MemorySandboxes.ts"

/** The handle on one sandbox. */
export * as Sandbox from "./Sandbox.ts"

/** The port: the sandboxes of one provider. */
export * as Sandboxes from "./Sandboxes.ts"
