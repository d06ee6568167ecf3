/**
 * GitHub, git in sandboxes, and webhooks.
 *
 * @since 0.2.0
 */
import { GitHub, GitWorkspace } from "@remote-agent/github"
import type { GitError, RemoteAgentConfig } from "@remote-agent/domain"
import { type Orchestrator, Repositories, type StateStore } from "@remote-agent/orchestrator"
import { type FileSystem, Layer, type Path } from "effect"
import type { ChildProcessSpawner } from "effect/process"

export {
  GitHub,
  GitHubModel,
  GitWorkspace,
  WebhookEvent,
  WebhookReceiver,
  WebhookSignature
} from "@remote-agent/github"
export { Repositories, UpdateOnPush } from "@remote-agent/orchestrator"

/**
 * Options of {@link layer}.
 *
 * @category models
 * @since 0.2.0
 */
export type Options = Omit<GitWorkspace.Options, "token">

/**
 * The repositories of agents, over the `RemoteAgent` of another layer of this package.
 *
 * **Details**
 *
 * `options.cache.directory` is where this machine keeps a copy of each repository. The token comes from `GITHUB_TOKEN`
 * or the `GITHUB_APP_*` settings and never enters a sandbox.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  options: Options
): Layer.Layer<
  GitHub.GitHub | GitWorkspace.GitWorkspace | Repositories.Repositories,
  GitError.GitError,
  | ChildProcessSpawner.ChildProcessSpawner
  | FileSystem.FileSystem
  | Orchestrator.Orchestrator
  | Path.Path
  | RemoteAgentConfig.RemoteAgentConfig
  | StateStore.StateStore
> =>
  Repositories.layer.pipe(
    Layer.provideMerge(GitWorkspace.layerConfig(options)),
    Layer.provideMerge(GitHub.layer)
  )
