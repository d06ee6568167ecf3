import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { devNull, tmpdir } from "node:os"
import { join } from "node:path"
import { env, execPath } from "node:process"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../fixtures/localCommit.ts", import.meta.url))

const git = (folder: string, ...args: ReadonlyArray<string>) =>
  execFileSync("git", ["-C", folder, "-c", "user.name=A", "-c", "user.email=a@example.invalid", ...args], {
    encoding: "utf8",
    env: { PATH: env["PATH"], GIT_CONFIG_GLOBAL: devNull, GIT_CONFIG_NOSYSTEM: "1" }
  }).trim()

const repository = (folder: string, name: string) => {
  git(folder, "init", "--quiet", "--initial-branch=main", name)
  git(join(folder, name), "commit", "--quiet", "--allow-empty", "-m", name)
  return { path: join(folder, name), commit: git(join(folder, name), "rev-parse", "HEAD") }
}

it.live("git's variables in the caller's environment never redirect the source of a profile", () =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "local-repository-"))),
    (folder) =>
      Effect.sync(() => {
        const [wanted, other] = [repository(folder, "wanted"), repository(folder, "other")]
        const marker = join(folder, "marker")
        const evil = join(folder, "evil")
        writeFileSync(evil, `#!/bin/sh\ntouch '${marker}'\n`, { mode: 0o755 })
        git(wanted.path, "config", "core.fsmonitor", evil)
        const printed = execFileSync(execPath, [program, wanted.path], {
          encoding: "utf8",
          env: {
            PATH: env["PATH"],
            HOME: folder,
            LC_ALL: "de_DE.UTF-8",
            GIT_DIR: join(other.path, ".git"),
            GIT_WORK_TREE: other.path,
            GIT_INDEX_FILE: join(folder, "index"),
            GIT_OBJECT_DIRECTORY: join(folder, "objects"),
            GIT_COMMON_DIR: join(other.path, ".git"),
            GIT_NAMESPACE: "elsewhere",
            GIT_SSH_COMMAND: evil,
            GIT_EXTERNAL_DIFF: evil,
            GIT_TRACE: join(folder, "trace"),
            GIT_TRACE2_EVENT: join(folder, "trace2"),
            GIT_CONFIG_COUNT: "1",
            GIT_CONFIG_KEY_0: "core.fsmonitor",
            GIT_CONFIG_VALUE_0: evil,
            GIT_CONFIG_PARAMETERS: `'core.hooksPath'='${folder}'`
          }
        })
        const { commit, listed, packed } = JSON.parse(printed)
        assert.deepStrictEqual([commit, packed], [wanted.commit, wanted.commit])
        assert.include(listed, wanted.commit)
        assert.notInclude(listed, other.commit)
        assert.isFalse(existsSync(marker))
      }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
)
