/**
 * The library over isolated sandboxes on this machine, without an account or a key.
 *
 * @since 0.2.0
 */
import type { SandboxError } from "@remote-agent/domain"
import { LocalSandboxes } from "@remote-agent/sandbox"
import type { Layer } from "effect"
import { composed, type Failure, type Options as Common, type Services } from "./internal/composition.ts"

export * from "./index.ts"

/**
 * Options of {@link layer}.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options extends Common, LocalSandboxes.Options {}

/**
 * Everything a program needs to run agents in sandboxes on this machine.
 *
 * **Details**
 *
 * The sandboxes end with the layer. On a machine that cannot isolate processes only the built-in sample agent runs,
 * unless `isolation` is `none`.
 *
 * **Example** (Ask one question)
 *
 * ```ts
 * import { layer, RemoteAgent } from "remote-agent/local"
 * import { Console, Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const { queries } = yield* RemoteAgent
 *   const { answer } = yield* queries.ask("Tesla revenue 2024")
 *   yield* Console.log(answer)
 * }).pipe(Effect.scoped) // the agent and its sandbox end here
 *
 * Effect.runPromise(Effect.provide(program, layer()))
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options = {}): Layer.Layer<Services, Failure | SandboxError.SandboxError> =>
  composed(options, LocalSandboxes.layer(options))
