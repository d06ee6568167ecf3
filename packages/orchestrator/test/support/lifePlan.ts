import { Profile } from "@remote-agent/domain"
import { Duration } from "effect"
import { random } from "./crashPlan.ts"

/** Something that a process does with one of two agents. */
export interface Act {
  readonly act:
    | "launch"
    | "query"
    | "queries"
    | "start"
    | "pause"
    | "resume"
    | "update"
    | "export"
    | "label"
    | "terminate"
  readonly agent: 0 | 1
}

const every: ReadonlyArray<Act["act"]> = [
  "query",
  "query",
  "queries",
  "start",
  "pause",
  "resume",
  "update",
  "export",
  "label"
]

/** Every act at least once. */
const whole: ReadonlyArray<Act> = [
  { act: "launch", agent: 0 },
  { act: "query", agent: 0 },
  { act: "pause", agent: 0 },
  { act: "query", agent: 0 },
  { act: "launch", agent: 1 },
  { act: "queries", agent: 1 },
  { act: "pause", agent: 1 },
  { act: "resume", agent: 1 },
  { act: "update", agent: 1 },
  { act: "start", agent: 1 },
  { act: "label", agent: 1 },
  { act: "export", agent: 1 },
  { act: "terminate", agent: 0 }
]

/** What a process does: the same for the same seed, and everything there is for 0. */
export const plan = (seed: number): ReadonlyArray<Act> => {
  if (seed === 0) return whole
  const next = random(seed)
  const launches: ReadonlyArray<Act> = [
    { act: "launch", agent: 0 },
    { act: "launch", agent: 1 }
  ]
  const acts = Array.from({ length: 7 }, (): Act => ({
    act: every[Math.floor(next() * every.length)] ?? "query",
    agent: next() < 0.6 ? 0 : 1
  }))
  return [...launches, ...acts, { act: "terminate", agent: next() < 0.5 ? 0 : 1 }]
}

/** What an agent says to any question, as the store has it. */
export const saying = ["hm", "well", "yes"]

/** Answers every question, and notes it in a file of this machine, so that it can be counted how often it ran. */
export const counting = (notes: string) => {
  const [hours, event] = [Duration.hours(5), '{"type":"event","event":{"type":"thinking","message":"%s"}}']
  const lines = [
    ...saying.slice(0, -1).map((message) => event.replace("%s", message)),
    '{"type":"result","outcome":"ok","answer":"yes","usage":{"inputTokens":1,"outputTokens":2}}'
  ]
  const install = new Profile.ProfileCommand({
    argv: ["bash", "-c", 'rm -f program && echo "installed" > program'],
    timeout: hours
  })
  return new Profile.Profile({
    name: "counting",
    description: "Counts what it is asked",
    trusted: true,
    work: "{home}",
    assets: [new Profile.Asset({ path: "{home}/asset", content: "an asset" })],
    setup: [install],
    health: new Profile.ProfileCommand({ argv: ["test", "-s", "program"], timeout: hours }),
    run: new Profile.RunSpec({
      argv: [
        "bash",
        "-c",
        `read -r line && printf '%s\\n' "$line" >> "$0" && printf '%s\\n' "$@"`,
        notes,
        ...lines
      ],
      input: "stdin-json",
      protocol: "runner-jsonl",
      wallTimeout: hours,
      idleTimeout: hours
    })
  })
}
