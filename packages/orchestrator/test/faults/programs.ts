import { Profile } from "@remote-agent/domain"
import { Duration } from "effect"

/** What the commands that take long have in their text. */
export const mark = "# takes its time"

const hours = Duration.hours(5)

const bash = (script: string) => ["bash", "-c", script] as const

/** Answers whatever it is asked; the one that is `slow` takes long to set up and to answer. */
const program = (name: "quick" | "slow") => {
  const wait = name === "slow" ? `sleep 0.3 ${mark}\n` : ""
  return new Profile.Profile({
    name,
    description: "Answers yes",
    trusted: true,
    work: "{home}",
    assets: [],
    setup: name === "slow" ? [new Profile.ProfileCommand({ argv: bash(wait), timeout: hours })] : [],
    health: new Profile.ProfileCommand({ argv: ["true"], timeout: hours }),
    run: new Profile.RunSpec({
      argv: bash(
        `${wait}read -r line\nprintf '%s\\n' '{"type":"ready","agent":"tiny"}' '{"type":"result","outcome":"ok","answer":"yes"}'`
      ),
      input: "stdin-json",
      protocol: "runner-jsonl",
      wallTimeout: hours,
      idleTimeout: hours
    })
  })
}

/** Profiles whose agents are a few lines of bash. */
export const profiles = [program("quick"), program("slow")]
