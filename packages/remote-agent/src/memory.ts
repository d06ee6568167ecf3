/**
 * The library over a provider in memory, for tests.
 *
 * @since 0.2.0
 */
import { MemorySandboxes } from "@remote-agent/sandbox"
import type { Layer } from "effect"
import { composed, type Failure, type Options as Common, type Services } from "./internal/composition.ts"

export * from "./index.ts"
export { MemorySandboxes } from "@remote-agent/sandbox"

/**
 * Options of {@link layer}.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options extends Common, MemorySandboxes.Options {}

/**
 * Everything a test needs: no process is started and time is that of the `Clock`.
 *
 * **When to use**
 *
 * For tests of programs that run agents. `run` decides what each command prints, `fault` makes calls fail, and
 * `MemorySandboxes.Ledger` lists the calls to the provider and the remaining sandboxes.
 *
 * **Details**
 *
 * Settings come from `settings` alone. The environment is not read, so that a key on a developer's machine does not
 * change a test.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options = {}): Layer.Layer<Services | MemorySandboxes.Ledger, Failure> =>
  composed(options, MemorySandboxes.layer(options), false)
