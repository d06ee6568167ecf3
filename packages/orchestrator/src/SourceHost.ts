import type { Profile } from "@remote-agent/domain"
import { Effect } from "effect"
import { lookup } from "node:dns/promises"

/** How long a name may take to be found. */
const patience = "5 seconds"

/** What says that this machine reaches others by a proxy, which finds names itself. */
export const proxies = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]

/** The host that the code of a source is fetched from; undefined when that is this machine, or cannot be told. */
export const of = ({ repository }: Profile.Source): string | undefined => {
  const [, scp] = /^(?:[\w.-]+@)?([\w.-]+):(?!\/\/)/.exec(repository) ?? []
  if (scp !== undefined) return scp
  const { hostname = "", protocol } = URL.parse(repository) ?? {}
  return protocol === "file:" || hostname === "" ? undefined : hostname.replaceAll(/^\[|\]$/g, "")
}

/** Whether the name of a host is known here. Nothing is sent to the host. */
export const isKnown = (host: string): Effect.Effect<boolean> =>
  Effect.tryPromise(() => lookup(host)).pipe(
    Effect.timeout(patience),
    Effect.as(true),
    Effect.orElseSucceed(() => false)
  )
