/**
 * The library over sandboxes at E2B.
 *
 * @since 0.2.0
 */
import { E2bSandboxes } from "@remote-agent/sandbox"
import type { Layer } from "effect"
import { composed, type Failure, type Options, type Services } from "./internal/composition.ts"

export * from "./index.ts"
export type { Options } from "./internal/composition.ts"

/**
 * Everything a program needs to run agents at E2B, or at another server that speaks its protocol.
 *
 * **Details**
 *
 * Reads `E2B_API_KEY`, `E2B_API_URL`, `E2B_SANDBOX_URL` and `E2B_TEMPLATE` from `settings` or the environment. Fails
 * with `ConfigError` when the key is missing.
 *
 * **Gotchas**
 *
 * With the state in memory, sandboxes of agents that outlive a crash of the program are found only by their ttl. Set
 * `state` for agents that outlive the program.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options = {}): Layer.Layer<Services, Failure> =>
  composed(options, E2bSandboxes.layerConfig)
