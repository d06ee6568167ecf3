import type { Client } from "@remote-agent/api"
import { Id } from "@remote-agent/domain"
import type { StateStore } from "@remote-agent/orchestrator"
import { Effect, Redacted, Schedule } from "effect"
import { type Failures, isLost, type Raw } from "./failures.ts"

/** A client of a server, and its failures. */
export interface Connection {
  readonly client: Client.Client["Service"]
  readonly failures: Failures
  readonly store: StateStore.StateStore["Service"]
  /** The profile of new agents; the server's default when absent. */
  readonly profile: string | undefined
}

/** The fields that are present. A field that is absent and one that is undefined are the same here. */
export type Present<A> = { readonly [K in keyof A]: Exclude<A[K], undefined> }

/** Removes the fields that are undefined, which JSON does not have. */
export const present = <A extends object>(value: A): Present<A> =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Present<A>

/** The values of an environment, for the body of a request. */
export const revealed = (
  env: Readonly<Record<string, string | Redacted.Redacted>> | undefined
): Readonly<Record<string, string>> | undefined =>
  env === undefined
    ? undefined
    : Object.fromEntries(
        Object.entries(env).map(([name, value]) => [
          name,
          typeof value === "string" ? value : Redacted.value(value)
        ])
      )

/** How often a request is sent again whose answer was lost. */
const again = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("3 seconds")]).pipe(
  Schedule.upTo({ times: 8 })
)

/** Sends a request under a key of its own, so that it is carried out once although its answer may be lost. */
export const once = <A, E extends Raw, R>(
  request: (headers: { readonly "idempotency-key": string }) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(Id.nextToken, (key) =>
    Effect.retry(request({ "idempotency-key": key }), { while: isLost, schedule: again })
  )
