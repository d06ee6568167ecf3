import { Profile } from "@remote-agent/domain"
import { Duration, Effect } from "effect"
import * as Assets from "./assets.ts"

/**
 * The profile of the sample agent.
 *
 * **Details**
 *
 * The sample agent answers questions on a few companies from bundled figures. It has no language model and needs no key
 * and no network. It reports the questions that it cannot answer.
 *
 * @category profiles
 * @since 0.1.0
 */
export const make: Effect.Effect<Profile.Profile> = Effect.gen(function* () {
  const [program, data] = yield* Effect.all([
    Assets.read("sample-agent.mjs"),
    Assets.read("fundamentals.json")
  ])
  return new Profile.Profile({
    name: "sample",
    description: "Answers from bundled figures of seven companies; no language model, no key, no network",
    trusted: true,
    work: "{home}/work",
    assets: [
      new Profile.Asset({ path: "{home}/.agent/sample-agent.mjs", content: program }),
      new Profile.Asset({ path: "{home}/.agent/fundamentals.json", content: data })
    ],
    setup: [],
    health: new Profile.ProfileCommand({
      argv: ["node", "{home}/.agent/sample-agent.mjs", "--health"],
      timeout: Duration.seconds(60)
    }),
    run: new Profile.RunSpec({
      argv: ["node", "{home}/.agent/sample-agent.mjs", "--request", "-"],
      input: "stdin-json",
      protocol: "runner-jsonl",
      wallTimeout: Duration.minutes(2),
      idleTimeout: Duration.minutes(1)
    }),
    session: new Profile.SessionSpec({ kind: "runner-file", files: ["{work}/.sample"] }),
    cacheable: true
  })
})
