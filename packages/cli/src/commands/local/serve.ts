import { Daemon, DaemonStart } from "@remote-agent/e2b-local"
import { Duration, Effect, Redacted } from "effect"
import * as DataFolder from "../../app/dataFolder.ts"
import type { Run } from "../../app/Environment.ts"
import * as LocalDaemon from "../../app/LocalDaemon.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { version } from "../../version.ts"
import { command } from "../shared/command.ts"
import { onOff } from "../shared/flags.ts"
import { limitsOf, serverFlags } from "./serverFlags.ts"

/** Prints the environment that E2B programs need: for a shell to evaluate, or as JSON. */
const printEnvironment = Effect.fnUntraced(function* (
  {
    apiKey,
    isolation,
    pid,
    url
  }: Pick<DaemonStart.Daemon["Service"], "url" | "apiKey" | "pid" | "isolation">,
  json: boolean
) {
  const { err, out } = yield* Screen
  const variables = { E2B_API_URL: url, E2B_SANDBOX_URL: url, E2B_API_KEY: Redacted.value(apiKey) }
  yield* line(
    out,
    json
      ? jsonText({ pid, isolation, ...variables })
      : Object.entries(variables)
          .map(([name, value]) => `export ${name}=${value}`)
          .join("\n")
  )
  if (isolation === "none") {
    yield* line(err, "Note: sandboxes are plain processes. They can read and write whatever you can.")
  }
})

/** `local serve`. */
export const serve = command({
  name: "local serve",
  at: "machine",
  description: "Run the local server until Ctrl-C, and print the environment that E2B programs need",
  flags: { ...serverFlags, background: onOff("background", "Start it unless it runs, and return") },
  examples: [
    { command: "remote-agent local serve", description: "In this terminal" },
    { command: 'eval "$(remote-agent local serve --background)"', description: "For this shell" }
  ],
  run: Effect.fn("local serve")(function* ({ background, idle, isolation, json, ...bounds }): Run {
    const screen = yield* Screen
    if (background) {
      const options = yield* LocalDaemon.options({ idle, isolation, ...bounds })
      const started = Effect.flatMap(DaemonStart.connect(options), (daemon) => printEnvironment(daemon, json))
      return yield* Effect.scoped(started)
    }
    const [folder, host] = [yield* DataFolder.ensure, yield* CommandHost]
    host.leftovers("Folders of sandboxes may be left in the data folder until the next start.")
    const reason = yield* Daemon.serve({
      folder,
      version,
      isolation,
      limits: limitsOf(bounds),
      idle: idle === undefined ? undefined : Duration.seconds(idle),
      onReady: ({ apiKey, apiUrl, isolation: kind, owner }) =>
        Effect.andThen(
          printEnvironment({ apiKey, isolation: kind, pid: owner.pid, url: apiUrl }, json),
          line(screen.err, "Serving until Ctrl-C. Its sandboxes are deleted when it stops.")
        ).pipe(Effect.provideService(Screen, screen))
    })
    yield* line(screen.err, reason === "idle" ? "Stopped: it was idle." : "Stopped on request.")
  })
})
