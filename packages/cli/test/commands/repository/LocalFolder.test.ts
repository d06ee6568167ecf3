import { assert, it } from "@effect/vitest"
import { describeWhere } from "#test/where"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { inject } from "vitest"
import { home } from "../../support/agents.ts"
import { run } from "../../support/support.ts"

const isolates = inject("isolations").length > 0

const profiles = JSON.stringify({
  editor: {
    description: "Changes a file, makes a new one, and commits one of them",
    work: "{home}/work",
    assets: [],
    setup: [],
    health: { argv: ["true"] },
    run: {
      argv: [
        "sh",
        "-c",
        "cat > new.txt; printf 'caf\\351\\n' >> a.txt; git add a.txt; git -c user.name=E -c user.email=e@h.test commit -qm edited; echo done"
      ],
      cwd: "{work}",
      input: "stdin-text",
      protocol: "text",
      wallTimeout: "10 minutes",
      idleTimeout: "10 minutes"
    }
  }
})

describeWhere(isolates, "no isolation works here")("a folder of this machine", () => {
  it.live(
    "goes into the sandbox of an agent, and its changes come out as a patch, byte by byte",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      const project = join(cwd, "project")
      const git = (...args: ReadonlyArray<string>) =>
        execFileSync("git", ["-C", project, "-c", "user.name=A", "-c", "user.email=a@h.test", ...args])
      yield* Effect.promise(async () => {
        await mkdir(project)
        git("init", "--quiet", "-b", "main")
        await writeFile(join(project, "a.txt"), "one\n")
        git("add", ".")
        git("commit", "--quiet", "-m", "one")
      })
      const env = { REMOTE_AGENT_PROFILES: profiles }
      const launch = ["launch", "--name", "dev", "--profile", "editor", "--repository", "./project"]
      const launched = yield* run(cwd, launch, env)
      assert.strictEqual(launched.code, 0, launched.stderr)
      assert.include((yield* run(cwd, ["diff", "dev"], env)).stderr, "The agent has changed nothing.")
      assert.strictEqual((yield* run(cwd, ["query", "dev", "a new file"], env)).code, 0)
      // A pipe of the shell carries every byte.
      const words = [process.execPath, inject("bin"), "diff", "dev"].map((word) => `'${word}'`).join(" ")
      const { HOME: _, ...host } = process.env
      execFileSync("sh", ["-c", `${words} | git -C project apply --3way`], {
        cwd,
        env: { ...host, ...env, HOME: cwd, TMPDIR: cwd }
      })
      const [text, bytes] = yield* Effect.promise(() =>
        Promise.all([readFile(join(project, "new.txt"), "utf8"), readFile(join(project, "a.txt"))])
      )
      assert.strictEqual(text, "a new file")
      assert.deepStrictEqual([...bytes.subarray(4)], [...Buffer.from("caf"), 0xe9, 10])
      const json = JSON.parse((yield* run(cwd, ["diff", "dev", "--json"], env)).stdout)
      assert.include(json.patch, "+++ b/new.txt")
    }),
    { timeout: 600_000 }
  )
})
