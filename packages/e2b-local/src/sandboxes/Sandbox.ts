/**
 * A sandbox as the rest of the server sees it.
 *
 * @since 0.1.0
 */
import { Effect, Redacted, Schema } from "effect"
import type { Deferred, Option } from "effect"
import * as Crypto from "node:crypto"
import type { SandboxRuntime } from "../isolation/SandboxRuntime.ts"
import type { SandboxMetrics } from "./SandboxMetrics.ts"
import type { SandboxLog } from "./SandboxLog.ts"
import type { ProcessTable } from "./ProcessTable.ts"

/** The request was cut because its sandbox was paused or killed meanwhile. */
export class SandboxStopped extends Schema.TaggedError<SandboxStopped>()("Severed", { id: Schema.String }) {
  override get message() {
    return `sandbox ${this.id} was paused or killed`
  }
}

/** What a sandbox is created with. */
export interface Spec {
  readonly templateId: string
  readonly metadata: Readonly<Record<string, string>>
  readonly envVars: Readonly<Record<string, string>>
  readonly timeoutSeconds: number
  readonly autoPause: boolean
  /** Whether a request to it wakes it when it is paused. */
  readonly autoResume: boolean
  readonly internet: boolean
  /** Whether its ports can be reached without a token. */
  readonly publicTraffic: boolean
}

/** A sandbox, running or paused. Only the registry changes it. */
export interface Sandbox {
  readonly id: string
  readonly spec: Spec
  /** Where its files are on the host. */
  readonly directory: string
  readonly token: Redacted.Redacted
  /** What a request to one of its ports must carry; none when every port is public. */
  readonly trafficToken: Option.Option<Redacted.Redacted>
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly machine: SandboxRuntime
  readonly processes: ProcessTable
  readonly metrics: SandboxMetrics
  readonly log: SandboxLog
  /** Milliseconds since the epoch. */
  endAt: number
  state: "running" | "paused"
  /** Fails when the sandbox is paused or killed; a new one after each resume. */
  severed: Deferred.Deferred<never, SandboxStopped>
}

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"

/** So many random digits and small letters. */
export const alphanumeric = (length: number): string =>
  Array.from({ length }, () => ALPHABET[Crypto.randomInt(ALPHABET.length)]).join("")

/** An id of the form that E2B gives. */
export const randomId = Effect.sync(() => `i${alphanumeric(19)}`)

/** A secret that nobody guesses. */
export const randomToken = (prefix: string) =>
  Effect.sync(() => Redacted.make(prefix + Crypto.randomBytes(24).toString("hex")))
