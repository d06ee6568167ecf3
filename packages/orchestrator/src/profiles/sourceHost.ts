import type { Profile } from "@remote-agent/domain"
import { Effect } from "effect"
import { lookup } from "node:dns/promises"

/** The time limit for resolving a name. */
const lookupTimeout = "5 seconds"

/** The variables of a proxy. A proxy resolves names itself. */
export const proxies = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]

/** The host of a source; `undefined` when it is this machine or unknown. */
export const of = ({ repository }: Profile.Source): string | undefined => {
  const [, scp] = /^(?:[\w.-]+@)?([\w.-]+):(?!\/\/)/.exec(repository) ?? []
  if (scp !== undefined) return scp
  const { hostname = "", protocol } = URL.parse(repository) ?? {}
  return protocol === "file:" || hostname === "" ? undefined : hostname.replaceAll(/^\[|\]$/g, "")
}

/** A host that setup needs, and why. */
export interface Needed {
  readonly host: string
  readonly of: "source" | "egress"
}

/** Every host that the setup of a profile needs, once. */
export const needed = ({ egress, source }: Profile.Profile): ReadonlyArray<Needed> => {
  const code = source === undefined ? undefined : of(source)
  const others = new Set(egress?.setup.filter((host) => host !== code))
  return [
    ...(code === undefined ? [] : [{ host: code, of: "source" as const }]),
    ...[...others].map((host) => ({ host, of: "egress" as const }))
  ]
}

/** Whether the name of a host resolves here. Sends nothing to the host. */
export const isKnown = (host: string): Effect.Effect<boolean> =>
  Effect.tryPromise(() => lookup(host)).pipe(
    Effect.timeout(lookupTimeout),
    Effect.as(true),
    Effect.orElseSucceed(() => false)
  )
