import { Agent, type Id, type Lease } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { DateTime, Duration, Option } from "effect"

/** The result of one check. */
export interface Check {
  readonly name: "sandbox" | "program" | "disk" | "clock" | "lease" | "age"
  readonly status: "ok" | "failed" | "skipped"
  /** One line of text. */
  readonly detail: string
}

/** The health of an agent. */
export interface Health {
  readonly agentId: Id.AgentId
  /** Whether no check failed. */
  readonly healthy: boolean
  readonly checks: ReadonlyArray<Check>
}

/** The largest clock skew at which certificates and tokens still work. */
const clockTolerance = Duration.seconds(30)

/** The least free space of a healthy disk. */
const freeBytes = 64 * 1024 * 1024

export const ok = (name: Check["name"], detail: string): Check => ({ name, status: "ok", detail })
export const failed = (name: Check["name"], detail: string): Check => ({ name, status: "failed", detail })
export const skipped = (name: Check["name"], detail: string): Check => ({ name, status: "skipped", detail })

const inSeconds = (duration: Duration.Duration): string =>
  Duration.format(Duration.seconds(Math.round(Duration.toSeconds(duration))))

/** Prints the free space in KiB and the seconds since 1970; {@link readMachine} reads both. */
export const machineScript =
  'df -Pk . | tail -n 1 | { read -r _ _ _ free _; echo "free $free"; }; date "+now %s"'

/** Reads the output of {@link machineScript}, which may hold other text. `now` is in milliseconds since 1970. */
export const readMachine = (stdout: string, now: number): readonly [disk: Check, clock: Check] => {
  const said = (name: string) => {
    const [, digits] = new RegExp(`^${name} (\\d+)\\r?$`, "m").exec(stdout) ?? []
    return digits === undefined ? undefined : Number(digits)
  }
  const [kibibytes, seconds] = [said("free"), said("now")]
  return [
    kibibytes === undefined
      ? skipped("disk", "The sandbox does not say how much is free.")
      : (kibibytes * 1024 < freeBytes ? failed : ok)("disk", `${Math.floor(kibibytes / 1024)} MiB are free.`),
    seconds === undefined
      ? skipped("clock", "The sandbox does not say what time it has.")
      : clock(Math.abs(seconds * 1000 - now))
  ]
}

const clock = (skew: number): Check =>
  (skew > Duration.toMillis(clockTolerance) ? failed : ok)(
    "clock",
    // The sandbox tells whole seconds, and some time has passed since.
    skew < 2000 ? "It agrees with ours." : `It differs from ours by ${Math.round(skew / 1000)} s.`
  )

/** The lock of an agent and the ttl of its sandbox. */
export interface Life {
  readonly holder: Option.Option<Lease.Lease>
  /** The sandbox as the provider reports it. */
  readonly sandbox: Pick<Sandbox.SandboxInfo, "state" | "endsAt"> | undefined
  readonly persistent: Agent.Agent["persistent"]
  readonly now: DateTime.Utc
  /** How long it may take a process to acquire the agent and to extend the ttl. */
  readonly reaction: Duration.Duration
}

/**
 * Checks the lock of an agent and the ttl of its sandbox. Fails when the sandbox is about to be terminated, with all
 * files in it, before a process could extend the ttl.
 */
export const life = ({ holder, now, persistent, reaction, sandbox }: Life): Check => {
  const who = Option.match(holder, {
    onNone: () => "Nobody works with it.",
    onSome: ({ holder: name, until }) => `${name} works with it, until ${DateTime.formatIso(until)}.`
  })
  if (sandbox === undefined) return skipped("lease", `${who} No sandbox of it is known to live.`)
  if (sandbox.state === "paused") return ok("lease", `${who} Its sandbox sleeps until it is woken.`)
  const left = DateTime.toEpochMillis(sandbox.endsAt) - DateTime.toEpochMillis(now)
  const ends = `${persistent ? "is put to sleep" : "ends"} ${left < 500 ? "now" : `in ${inSeconds(Duration.millis(left))}`}`
  return persistent || left > Duration.toMillis(reaction)
    ? ok("lease", `${who} Its sandbox ${ends}, unless it is used before.`)
    : failed(
        "lease",
        `${who} Its sandbox ${ends}, which is too soon to be used before. Save what is in it, or resume the agent at once.`
      )
}

/**
 * An agent with the status that its sandbox shows. The provider pauses a sandbox when its ttl is over, and the record
 * does not say so until the agent is used again.
 */
export const observed = (agent: Agent.Agent, state: Sandbox.SandboxInfo["state"] | undefined): Agent.Agent =>
  agent.status === "active" && state === "paused" ? new Agent.Agent({ ...agent, status: "paused" }) : agent

/** The age of an agent. */
export const age = ({ createdAt }: Agent.Agent, now: DateTime.Utc): Check =>
  ok("age", `It was launched ${inSeconds(DateTime.distance(createdAt, now))} ago.`)
