import { assert, it } from "@effect/vitest"
import { Agent, RemoteAgentConfig, Id } from "@remote-agent/domain"
import { Profiles, StateStore } from "@remote-agent/orchestrator"
import { DateTime, Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { chmod, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Completions } from "effect/cli"
import * as Cli from "../../../src/Cli.ts"
import { profiles } from "../../../src/commands/completion/complete.ts"
import { script } from "../../../src/commands/completion/script.ts"
import { recorded } from "../../support/agents.ts"
import { bin, finish, folder, run } from "../../support/support.ts"

const limit = { timeout: 120_000 }

const put = Effect.fnUntraced(function* (name: string, status: "active" | "terminated") {
  const [store, id, at] = [yield* StateStore.StateStore, yield* Id.nextAgentId, yield* DateTime.now]
  yield* store.createAgent(
    new Agent.Agent({
      id,
      name: Agent.AgentName.make(name),
      profile: "sample",
      status,
      revision: 0,
      queryCount: 0,
      createdAt: at,
      updatedAt: at
    })
  )
})

const { PATH = "" } = process.env

/** What a real bash offers for the last of these words. */
const offered = (cwd: string, words: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const program = `
      source ./script
      read -r _ _ function _ <<< "$(complete -p remote-agent)"
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=\${#COMP_LINE}
      "$function" remote-agent "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}" 2>&1
      printf '%s\\n' "\${COMPREPLY[@]}"`
    const child = spawn("bash", ["--norc", "-c", program, "bash", ...words], {
      cwd,
      env: { PATH: `${join(cwd, "bin")}:${PATH}`, HOME: cwd },
      stdio: ["ignore", "pipe", "pipe"]
    })
    const { stderr, stdout } = await finish(child)
    assert.strictEqual(stderr, "")
    return stdout
      .split("\n")
      .map((word) => word.trim())
      .filter((word) => word !== "")
  })

it.live(
  "bash completes commands, flags, and the names of agents, profiles and pools",
  Effect.fnUntraced(function* () {
    const cwd = yield* folder
    yield* recorded(cwd, Effect.all([put("ada", "active"), put("adam", "active"), put("adb", "terminated")]))
    const { code, stdout } = yield* run(cwd, ["completions", "bash"])
    assert.strictEqual(code, 0)
    yield* Effect.promise(async () => {
      await writeFile(join(cwd, "script"), stdout)
      await mkdir(join(cwd, "bin"))
      await writeFile(
        join(cwd, "bin", "remote-agent"),
        `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`
      )
      await chmod(join(cwd, "bin", "remote-agent"), 0o755)
    })
    assert.include(yield* offered(cwd, ["remote-agent", "doc"]), "doctor")
    assert.include(yield* offered(cwd, ["remote-agent", "exec", "--time"]), "--timeout")
    assert.deepStrictEqual(yield* offered(cwd, ["remote-agent", "exec", "ad"]), ["ada", "adam"])
    assert.deepStrictEqual(yield* offered(cwd, ["remote-agent", "exec", "x"]), [])
    assert.deepStrictEqual(yield* offered(cwd, ["remote-agent", "ask", "--profile", "sam"]), ["sample"])
    yield* Effect.promise(() => writeFile(join(cwd, "admin.txt"), "x"))
    assert.include(yield* offered(cwd, ["remote-agent", "pool", "run", "--file", "adm"]), "admin.txt")
    assert.deepStrictEqual((yield* offered(cwd, ["remote-agent", "cp", "ad"])).toSorted(), [
      "ada:",
      "adam:",
      "admin.txt"
    ])
    for (const words of [
      ["rename"],
      ["commit", "--message", "m"],
      ["terminate", "--yes", "other"],
      ["query", "--timeout", "5"]
    ]) {
      assert.deepStrictEqual(yield* offered(cwd, ["remote-agent", ...words, "ad"]), ["ada", "adam"], words[0])
    }
    assert.deepStrictEqual(yield* offered(cwd, ["remote-agent", "query", "ada", "ad"]), [])
    assert.deepStrictEqual(yield* offered(cwd, ["remote-agent", "profiles", "show", "sam"]), ["sample"])
  }),
  limit
)

it.live(
  "what cannot be read is not completed, and nothing is said about it",
  Effect.fnUntraced(function* () {
    const cwd = yield* folder
    yield* Effect.promise(() => writeFile(join(cwd, "broken"), "no database"))
    for (const env of [{}, { REMOTE_AGENT_STATE: "broken" }, { REMOTE_AGENT_STATE: "postgres://u:p@h/d" }]) {
      const { code, stderr, stdout } = yield* run(cwd, ["__complete", "agents", ""], env)
      assert.deepStrictEqual([code, stderr, stdout], [0, "", ""])
    }
  }),
  limit
)

it("the script knows every command that takes an agent, and none that does not exist", () => {
  const tree = Completions.fromCommand(Cli.root)
  const taking = tree.subcommands
    .filter(({ arguments: all }) => all.some(({ name }) => name === "agent" || name === "query-or-agent"))
    .map(({ name }) => name)
  assert.includeMembers(taking, ["publish", "push", "label", "fork", "shell", "logs"])
  for (const shell of ["bash", "zsh", "fish"] as const) {
    const text = script(shell, tree)
    for (const name of taking) assert.match(text, new RegExp(`["']${name}["']`), `${shell} ${name}`)
    assert.notInclude(text, '"replace"')
  }
})

it.effect("the profiles that are completed are those there are", () =>
  Effect.gen(function* () {
    const { list } = yield* Profiles.Profiles
    assert.deepStrictEqual(
      profiles.toSorted(),
      list.map(({ name }) => name)
    )
  }).pipe(Effect.provide(Profiles.layer().pipe(Layer.provide(RemoteAgentConfig.layerFrom({})))))
)
