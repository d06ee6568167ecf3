import { Effect } from "effect"
import type { Run } from "../../../app/Environment.ts"
import { exitCode } from "../../../ui/ExitCode.ts"
import { Ended } from "../../../ui/Failure.ts"
import { dim, green, line, type Output, red, Screen } from "../../../ui/Screen.ts"
import { jsonText } from "../../../ui/plainText.ts"
import { command } from "../../shared/command.ts"
import { durable, profile } from "../../shared/flags.ts"
import * as Check from "./Check.ts"
import { disk } from "./checks/disk.ts"
import { git } from "./checks/git.ts"
import { github } from "./checks/github.ts"
import { node } from "./checks/node.ts"
import { orphans } from "./checks/orphans.ts"
import { profiles } from "./checks/profiles.ts"
import { provider } from "./checks/provider.ts"
import { settings } from "./checks/settings.ts"
import { state } from "./checks/state.ts"

const mark = (output: Output, status: Check.Status): string => {
  switch (status) {
    case "ok":
      return green(output, "ok     ")
    case "failed":
      return red(output, "FAILED ")
    case "warning":
      return "warning"
    case "skipped":
      return dim(output, "skipped")
  }
}

const toText = (output: Output, { detail, name, status, todo }: Check.Check): string =>
  [
    `${mark(output, status)}  ${name}: ${detail}`,
    ...(todo?.split("\n").map((text) => `         ${text}`) ?? [])
  ].join("\n")

/** `doctor`. */
export const doctor = command({
  name: "doctor",
  at: "machine",
  description:
    "Check the requirements of agents, and explain how to fix each problem. Exit code 1 when a required check fails",
  flags: { profile, ...durable },
  examples: [
    { command: "remote-agent doctor", description: "With the current settings" },
    { command: "remote-agent doctor --provider e2b --profile codex --json", description: "For programs" }
  ],
  run: Effect.fn("doctor")(function* (flags): Run {
    const { out } = yield* Screen
    const all = [node, settings, provider, git, github, profiles, state, disk, orphans]
    const found = yield* Effect.forEach(all, (checks) => Check.run(checks, flags), { concurrency: 4 })
    const checks = found.flat()
    const healthy = checks.every(({ status }) => status !== "failed")
    yield* line(
      out,
      flags.json ? jsonText({ healthy, checks }) : checks.map((one) => toText(out, one)).join("\n")
    )
    if (!healthy) return yield* new Ended({ code: exitCode.failed })
  })
})
