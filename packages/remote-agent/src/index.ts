/**
 * The library in one import: the service, the records that it works with, and its errors.
 *
 * Take a `layer` from `remote-agent/local`, `remote-agent/e2b` or `remote-agent/memory`.
 *
 * @since 0.2.0
 */
export {
  Agent,
  AgentEvent,
  Budget,
  GitError,
  GitHubError,
  Id,
  OrchestratorError,
  Price,
  Profile,
  Query,
  RemoteAgentConfig,
  SandboxError,
  StateStoreError,
  TokenUsage
} from "@remote-agent/domain"
export { AgentPool, Profiles, Reaper, StateStore } from "@remote-agent/orchestrator"
export { Orchestrator as RemoteAgent } from "@remote-agent/orchestrator/Orchestrator"
export { Sandbox, Sandboxes } from "@remote-agent/sandbox"
export type { Failure, Services } from "./internal/composition.ts"
