import { Profile } from "@remote-agent/domain"
import { Orchestrator } from "@remote-agent/orchestrator"
import type { Sandbox } from "@remote-agent/sandbox"
import { Effect, Stdio, Stream } from "effect"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { NotFound, Usage } from "../../ui/Failure.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { encoded, makeDecoder } from "../sandbox/binaryOutput.ts"
import { command } from "../shared/command.ts"
import { agent, durable } from "../shared/flags.ts"

/** The most bytes of a patch. */
const mostBytes = 64 * 1024 * 1024

/**
 * Compares the files in the work folder, also new ones that git does not ignore, with a commit. The index of the agent
 * stays as it is.
 */
const script = `cd -- "$1" || exit 1
index=$(mktemp) || exit 1
trap 'rm -f -- "$index"' EXIT
export GIT_INDEX_FILE="$index"
git read-tree HEAD && git add --all &&
git diff --cached --binary --full-index --no-ext-diff --no-textconv --no-color "$2" --`

/** The patch from a commit to the files in the work folder, byte by byte. */
const patchOf = Effect.fnUntraced(function* (sandbox: Sandbox.Sandbox, work: string, commit: string) {
  const argv = encoded(["sh", "-c", script, "sh", work, commit])
  const decode = makeDecoder()
  const parts: Array<Uint8Array> = []
  let [size, code] = [0, -1]
  yield* Stream.runForEachWhile(sandbox.spawn({ argv }), (event) =>
    Effect.sync(() => {
      if (event._tag === "Exit") code = event.exitCode
      if (event._tag !== "Stdout") return true
      const bytes = decode(event.text)
      size += bytes.length
      parts.push(bytes)
      return size <= mostBytes
    })
  )
  if (size > mostBytes) {
    return yield* new Usage({
      message: "The patch has more than 64 MiB. Copy the files with `remote-agent cp`."
    })
  }
  return code === 0
    ? Buffer.concat(parts)
    : yield* new NotFound({
        message: `The work folder of the agent is no repository with the commit ${commit}. Look at it with \`remote-agent shell\`.`
      })
})

/** `diff`. */
export const diff = command({
  name: "diff",
  description: "Print the changes of an agent to its repository as a patch, since it was cloned or pulled",
  flags: { agent, ...durable },
  examples: [
    { command: "remote-agent diff dev", description: "New files, changes and commits" },
    { command: "remote-agent diff dev | git apply --3way", description: "Take them over into this folder" }
  ],
  run: Effect.fn("diff")(
    function* (flags): Run<State.Records | Stdio.Stdio> {
      const [{ note, out }, stdio] = [yield* Screen, yield* Stdio.Stdio]
      const found = yield* AgentLookup.one(flags.agent)
      const { commit } = found.repository ?? {}
      if (commit === undefined) {
        return yield* new Usage({
          message: `Agent ${found.name} has no repository. Launch one with \`remote-agent launch --repository ./folder\`.`
        })
      }
      const patch = yield* Effect.gen(function* () {
        const { agents } = yield* Orchestrator.Orchestrator
        return yield* agents.of(found).withExclusiveAccess("diff", (place) => {
          const { work } = Profile.placeholders(place.profile, place.home)
          return patchOf(place.sandbox, work, commit)
        })
      }).pipe(Effect.provide(AgentLookup.services(flags, [found])))
      if (flags.json) {
        return yield* line(out, jsonText({ agentId: found.id, commit, patch: patch.toString() }))
      }
      if (patch.length === 0) return yield* line(note, "The agent has changed nothing.")
      if (out.live) return yield* line(out, patch.toString().trimEnd())
      yield* Effect.ignore(Stream.run(Stream.succeed(patch), stdio.stdout({ endOnDone: false })))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
