import { isolation, seconds } from "../shared/flags.ts"

/** How the local server runs. */
export const serverFlags = {
  isolation,
  idle: seconds(
    "idle",
    "Stop after this many seconds without a sandbox and a request (default: never, or 600 in the background)"
  )
}
