import { isolation } from "../shared/flags.ts"
import { seconds } from "../shared/time.ts"

/** How the local server runs. */
export const serverFlags = {
  isolation,
  idle: seconds(
    "idle",
    "Stop after this time without a sandbox and a request (default: never, or 10m in the background)"
  )
}
