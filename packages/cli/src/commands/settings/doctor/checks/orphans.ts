import { RemoteAgentConfig } from "@remote-agent/domain"
import { DaemonControl } from "@remote-agent/e2b-local"
import { Orchestrator } from "@remote-agent/orchestrator"
import { Effect } from "effect"
import * as App from "../../../../app/App.ts"
import * as Settings from "../../../../app/Settings.ts"
import { CommandHost } from "../../../../process/CommandHost.ts"
import { check, type Checks } from "../Check.ts"

/** No crash has left a sandbox behind. Does not start the local server: without it there are no sandboxes. */
export const orphans: Checks = {
  name: "orphans",
  run: (flags) =>
    Effect.gen(function* () {
      const { REMOTE_AGENT_PROVIDER: name, REMOTE_AGENT_STATE: location } =
        yield* RemoteAgentConfig.RemoteAgentConfig
      const { dataFolder } = yield* CommandHost
      const isRunning = name === "e2b" || (yield* DaemonControl.look(dataFolder))._tag === "Running"
      if (location?._tag === "Memory" || !isRunning) {
        return [check("orphans", "skipped", "No provider is running that could hold any.")]
      }
      const report = yield* Effect.flatMap(Orchestrator.Orchestrator, (orchestrator) =>
        orchestrator.state.reap({ dryRun: true })
      ).pipe(Effect.provide(App.durable(flags)))
      const count = report.entries.filter(({ outcome }) => outcome === "planned").length
      return [
        count === 0
          ? check("orphans", "ok", "Nothing was left behind.")
          : check("orphans", "warning", `${count} things were left behind.`, "remote-agent reap")
      ]
    }).pipe(
      Effect.provide(Settings.config(flags)),
      Effect.catchTag("ConfigError", () =>
        Effect.succeed([check("orphans", "skipped", "The settings or the profiles have problems.")])
      )
    )
}
