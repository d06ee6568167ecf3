import { Command } from "effect/cli"
import { durable, json, lazily, profile } from "../shared/flags.ts"

/** `doctor`. */
export const doctor = Command.make(
  "doctor",
  { profile, ...durable, json },
  lazily(
    "doctor",
    () => import("./doctor/doctor.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription(
    "Check everything that agents need here, and say what to do about what fails; exit code 1 when something needed does"
  ),
  Command.withExamples([
    { command: "remote-agent doctor", description: "With the settings as they are" },
    { command: "remote-agent doctor --provider e2b --profile codex --json", description: "For programs" }
  ])
)
