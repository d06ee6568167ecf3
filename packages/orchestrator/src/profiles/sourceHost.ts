import type { Profile } from "@remote-agent/domain"
import { Effect } from "effect"
import { lookup } from "node:dns/promises"

/** The time limit for resolving a name. */
const patience = "5 seconds"

/**
 * The variables that name a proxy. A proxy resolves names itself.
 *
 * @category hosts
 * @since 0.1.0
 */
export const proxies = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]

/**
 * The host of a source. Undefined for this machine, and for an address without a known host.
 *
 * @category hosts
 * @since 0.1.0
 */
export const of = ({ repository }: Profile.Source): string | undefined => {
  const [, scp] = /^(?:[\w.-]+@)?([\w.-]+):(?!\/\/)/.exec(repository) ?? []
  if (scp !== undefined) return scp
  const { hostname = "", protocol } = URL.parse(repository) ?? {}
  return protocol === "file:" || hostname === "" ? undefined : hostname.replaceAll(/^\[|\]$/g, "")
}

/** A host that set-up cannot do without, and what for. */
export interface Needed {
  readonly host: string
  readonly of: "source" | "egress"
}

/** Every host that the set-up of a profile cannot do without, once. */
export const needed = ({ egress, source }: Profile.Profile): ReadonlyArray<Needed> => {
  const code = source === undefined ? undefined : of(source)
  const others = new Set(egress?.setup.filter((host) => host !== code))
  return [
    ...(code === undefined ? [] : [{ host: code, of: "source" as const }]),
    ...[...others].map((host) => ({ host, of: "egress" as const }))
  ]
}

/** Whether the name of a host is known here. Nothing is sent to the host. */
export const isKnown = (host: string): Effect.Effect<boolean> =>
  Effect.tryPromise(() => lookup(host)).pipe(
    Effect.timeout(patience),
    Effect.as(true),
    Effect.orElseSucceed(() => false)
  )
