import type { Id, SandboxError } from "@remote-agent/domain"
import { Context, type Duration, type Effect, type Scope, type Stream } from "effect"
import type { Sandbox, SandboxInfo, SandboxSpec } from "./Sandbox.ts"

/**
 * How far sandboxes are apart from this machine and from each other.
 *
 * - `isolated`: they are.
 * - `waived`: they are not, and whoever runs this said in words that it is all right.
 * - `missing`: they are not, because this machine cannot do it. Only programs of our own may run.
 */
export type Isolation = "isolated" | "waived" | "missing"

/** Which sandboxes `Sandboxes.list` gives. */
export interface Filter {
  /** Only those that carry all of these. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** Only those in this state; both when absent. */
  readonly state?: "running" | "paused" | undefined
}

/** A sandbox that was connected to. */
export interface Connected {
  readonly sandbox: Sandbox
  /** Whether it was paused until now. */
  readonly resumed: boolean
}

/** The files of a sandbox at one moment. */
export interface Snapshot {
  /** What `SandboxSpec.template` takes. */
  readonly template: string
}

/**
 * Isolated machines of one provider.
 *
 * Failures are `SandboxError`s. `Gone` means that the provider confirmed it; `Unreachable` that nobody knows.
 */
export class Sandboxes extends Context.Service<
  Sandboxes,
  {
    /** `e2b`, `local` or `memory`. */
    readonly provider: string
    /** Told apart from others of the same provider, whose snapshots are not known here; shows no secret. */
    readonly account?: string | undefined
    readonly isolation: Isolation
    /**
     * Creates a sandbox that is terminated when the scope closes, however it closes, and kept alive until then: its
     * `ttl` is how long it may outlive this process, and may be short. Do not put a timeout inside:
     * creating cannot be interrupted, so that a sandbox whose reply is under way is not forgotten.
     */
    readonly create: (spec: SandboxSpec) => Effect.Effect<Sandbox, SandboxError.SandboxError, Scope.Scope>
    /** Creates a sandbox that belongs to the caller: nobody else will terminate it before its `ttl` ends. */
    readonly launch: (spec: SandboxSpec) => Effect.Effect<Sandbox, SandboxError.SandboxError>
    /** A handle on a sandbox that exists. Wakes a paused one, and says whether it did. */
    readonly connect: (
      id: Id.SandboxId,
      ttl: Duration.Input
    ) => Effect.Effect<Connected, SandboxError.SandboxError>
    /** What the provider knows of it. Never wakes it. */
    readonly info: (id: Id.SandboxId) => Effect.Effect<SandboxInfo, SandboxError.SandboxError>
    /** Every sandbox that matches, page by page, newest first. */
    readonly list: (filter?: Filter) => Stream.Stream<SandboxInfo, SandboxError.SandboxError>
    /** Puts it to sleep with its memory and files. Succeeds when it sleeps already. Cannot be interrupted. */
    readonly pause: (id: Id.SandboxId) => Effect.Effect<void, SandboxError.SandboxError>
    /** Wakes it. Succeeds when it is awake already. */
    readonly resume: (id: Id.SandboxId, ttl: Duration.Input) => Effect.Effect<void, SandboxError.SandboxError>
    /** Ends it for good, with everything in it. Succeeds when it is gone already. */
    readonly terminate: (id: Id.SandboxId) => Effect.Effect<void, SandboxError.SandboxError>
    /** Sets the end of its life to `ttl` from now. Fails with `Paused` when it sleeps: then there is no such end. */
    readonly extend: (id: Id.SandboxId, ttl: Duration.Input) => Effect.Effect<void, SandboxError.SandboxError>
    /**
     * Keeps the files of a sandbox as they are now, as a template for others; the sandbox itself goes on. Whether what
     * ran in it runs on in those others depends on the provider: at E2B it does, in local sandboxes and in memory it
     * does not. Its `env` and `metadata` are not kept. Nobody removes a snapshot but {@link removeSnapshot}, and the
     * end of a provider of this machine. Cannot be interrupted.
     */
    readonly snapshot: (id: Id.SandboxId) => Effect.Effect<Snapshot, SandboxError.SandboxError>
    /** Removes a snapshot; sandboxes made from it stay. Succeeds when it is gone already. */
    readonly removeSnapshot: (template: string) => Effect.Effect<void, SandboxError.SandboxError>
  }
>()("@remote-agent/sandbox/Sandboxes") {}
