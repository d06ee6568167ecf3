import { RemoteAgentConfig } from "@remote-agent/domain"
import { DaemonControl, Isolation } from "@remote-agent/e2b-local"
import { E2bSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Clock, Effect, Option, Stream } from "effect"
import * as Settings from "../../../../app/Settings.ts"
import { CommandHost } from "../../../../process/CommandHost.ts"
import { check, type Checks } from "../Check.ts"
import { request } from "../request.ts"

/** Certificates and tokens become invalid when the clock is off by more than this, in milliseconds. */
const clockTolerance = 30_000

const isolation = Effect.map(Isolation.probe, ({ best, findings, hint }) =>
  Option.match(best, {
    onSome: (kind) => check("isolation", "ok", kind),
    onNone: () =>
      check(
        "isolation",
        "warning",
        `No isolation works here (${findings.map(({ detail, kind }) => `${kind}: ${detail}`).join("; ")}), so only the built-in agents run.`,
        hint
      )
  })
)

const localServer = Effect.gen(function* () {
  const { dataFolder } = yield* CommandHost
  const found = yield* DaemonControl.look(dataFolder)
  switch (found._tag) {
    case "Running": {
      const { paused, running } = found.status
      return check("local server", "ok", `Running, with ${running} running and ${paused} paused sandboxes.`)
    }
    case "Missing":
    case "Dead":
      return check("local server", "ok", "Not running. It starts when it is needed.")
    case "Silent":
      return check("local server", "failed", "The server does not answer.", "remote-agent local stop --yes")
    case "Damaged":
      return check("local server", "failed", `${found.path} is damaged.`, "Remove that file.")
  }
})

const e2b = Effect.gen(function* () {
  const first = Stream.unwrap(Effect.map(Sandboxes.Sandboxes, ({ list }) => list())).pipe(Stream.take(1))
  yield* Stream.runDrain(first)
  return check("e2b", "ok", "E2B answers and accepts the key.")
}).pipe(Effect.provide(E2bSandboxes.layerConfig))

/** How far the clock of this machine is from that of a server. */
const clock = Effect.fnUntraced(function* (address: string) {
  const at = Option.match(yield* request(address), {
    onNone: () => Number.NaN,
    onSome: ({ headers }) => Date.parse(headers["date"] ?? "")
  })
  const skew = Math.abs(at - (yield* Clock.currentTimeMillis))
  if (Number.isNaN(skew)) return check("clock", "skipped", "The provider does not report the time.")
  const detail = `It differs from the provider's clock by ${Math.round(skew / 1000)} s.`
  return skew > clockTolerance
    ? check("clock", "failed", detail, "Set the clock: timedatectl set-ntp true")
    : check("clock", "ok", detail)
})

/** Sandboxes can be created: isolation and the local server, or E2B and the clock. */
export const provider: Checks = {
  name: "provider",
  run: (flags) =>
    Effect.gen(function* () {
      const { E2B_API_URL, REMOTE_AGENT_PROVIDER: name } = yield* RemoteAgentConfig.RemoteAgentConfig
      if (name !== "e2b") return yield* Effect.all([isolation, localServer], { concurrency: 2 })
      return [yield* clock(E2B_API_URL ?? "https://api.e2b.app"), yield* e2b]
    }).pipe(Effect.provide(Settings.config(flags)))
}
