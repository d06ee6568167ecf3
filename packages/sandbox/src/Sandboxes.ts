import type { Id, SandboxError } from "@remote-agent/domain"
import { Context, type Duration, type Effect, type Scope, type Stream } from "effect"
import type { Sandbox, SandboxInfo, SandboxSpec } from "./Sandbox.ts"

/**
 * How sandboxes are isolated from this machine and from each other.
 *
 * **Details**
 *
 * - `isolated`: they are isolated.
 * - `waived`: they are not isolated, and the user accepted that explicitly.
 * - `missing`: they are not isolated, because this machine cannot do it. Only trusted profiles may run.
 *
 * @category models
 * @since 0.1.0
 */
export type Isolation = "isolated" | "waived" | "missing"

/**
 * Selects sandboxes of a list.
 *
 * @category models
 * @since 0.1.0
 */
export interface Filter {
  /** The labels that a sandbox must carry. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** The state of the sandboxes; any state when absent. */
  readonly state?: "running" | "paused" | undefined
}

/**
 * A sandbox after connecting to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connected {
  readonly sandbox: Sandbox
  /** Whether it was paused before. */
  readonly resumed: boolean
}

/**
 * A copy of the files of a sandbox at one moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  /** The name to use as `SandboxSpec.template`. */
  readonly template: string
}

/**
 * The sandboxes of one provider.
 *
 * **Details**
 *
 * Every method fails with `SandboxError`. `Gone` means that the provider confirmed that the sandbox does not exist;
 * `Unreachable` means that its state is unknown.
 *
 * @category services
 * @since 0.1.0
 */
export class Sandboxes extends Context.Service<
  Sandboxes,
  {
    /** The name of the provider: `e2b`, `local` or `memory`. */
    readonly provider: string
    /** Identifies the provider account. Snapshots are visible only within one account. Contains no secret. */
    readonly account?: string | undefined
    readonly isolation: Isolation
    /**
     * Creates a sandbox, keeps it alive, and terminates it when the scope closes.
     *
     * The `ttl` is how long the sandbox outlives a process that dies, and may be short. Creating cannot be interrupted, so
     * that a sandbox whose reply is on its way is not forgotten: put a timeout around the scope, not inside it.
     */
    readonly create: (spec: SandboxSpec) => Effect.Effect<Sandbox, SandboxError.SandboxError, Scope.Scope>
    /** Creates a sandbox that belongs to the caller. It is terminated only by the caller, or when its `ttl` ends. */
    readonly launch: (spec: SandboxSpec) => Effect.Effect<Sandbox, SandboxError.SandboxError>
    /** Connects to an existing sandbox, and resumes it when it is paused. */
    readonly connect: (
      id: Id.SandboxId,
      ttl: Duration.Input
    ) => Effect.Effect<Connected, SandboxError.SandboxError>
    /** Returns the provider's description of a sandbox. Never resumes it. */
    readonly info: (id: Id.SandboxId) => Effect.Effect<SandboxInfo, SandboxError.SandboxError>
    /** Lists the sandboxes that match, page by page, newest first. */
    readonly list: (filter?: Filter) => Stream.Stream<SandboxInfo, SandboxError.SandboxError>
    /** Pauses a sandbox with its memory and files. Succeeds when it is paused already. Cannot be interrupted. */
    readonly pause: (id: Id.SandboxId) => Effect.Effect<void, SandboxError.SandboxError>
    /** Resumes a sandbox. Succeeds when it is running already. */
    readonly resume: (id: Id.SandboxId, ttl: Duration.Input) => Effect.Effect<void, SandboxError.SandboxError>
    /** Terminates a sandbox with everything in it. Succeeds when it is gone already. */
    readonly terminate: (id: Id.SandboxId) => Effect.Effect<void, SandboxError.SandboxError>
    /** Sets the ttl of a sandbox, from now on. Fails with `Paused` when it is paused: then no ttl applies. */
    readonly extend: (id: Id.SandboxId, ttl: Duration.Input) => Effect.Effect<void, SandboxError.SandboxError>
    /**
     * Copies the files of a sandbox as they are now into a template. The sandbox keeps running.
     *
     * Whether its processes continue in the sandboxes made from the template depends on the provider: at E2B they do, in
     * local sandboxes and in memory they do not. Its `env` and `metadata` are not copied. A snapshot exists until
     * {@link removeSnapshot}, or until a provider on this machine ends. Cannot be interrupted.
     */
    readonly snapshot: (id: Id.SandboxId) => Effect.Effect<Snapshot, SandboxError.SandboxError>
    /** Removes a snapshot. Sandboxes made from it stay. Succeeds when it is gone already. */
    readonly removeSnapshot: (template: string) => Effect.Effect<void, SandboxError.SandboxError>
  }
>()("@remote-agent/sandbox/Sandboxes") {}
