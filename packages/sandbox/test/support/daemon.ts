/** A daemon in its own process and folder, for the duration of a test. */
import { RemoteAgentConfig } from "@remote-agent/domain"
import { DaemonStart } from "@remote-agent/e2b-local"
import { LocalSandboxes } from "@remote-agent/sandbox"
import { Effect } from "effect"
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert } from "@effect/vitest"

const program = fileURLToPath(new URL("../fixtures/daemon.ts", import.meta.url))
const { PATH = "" } = process.env

/** A folder whose daemon is stopped and whose sandboxes are terminated at the end of the scope. */
export const daemonFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "remote-agent-daemon-"))),
  (folder) =>
    Effect.gen(function* () {
      yield* DaemonStart.stop(folder, true).pipe(
        Effect.catchReason("DaemonError", "NotRunning", () => Effect.void),
        Effect.orDie
      )
      const left = yield* Effect.promise(() => readdir(join(folder, "sandboxes")).catch(() => []))
      yield* Effect.promise(() => rm(folder, { recursive: true }))
      assert.deepStrictEqual(left, [])
    })
)

/** The options of a daemon of that folder. */
export const daemonOptions = (
  folder: string,
  isolation: RemoteAgentConfig.Values["REMOTE_AGENT_ISOLATION"],
  version = "1.0.0"
): LocalSandboxes.DaemonOptions => ({
  folder,
  version,
  isolation,
  command: [process.execPath, program, folder, version, isolation],
  env: { PATH }
})
