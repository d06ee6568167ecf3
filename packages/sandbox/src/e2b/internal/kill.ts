import type { Id } from "@remote-agent/domain"
import type { Sandbox as SdkSandbox } from "e2b"
import { Effect } from "effect"
import type { E2bCalls } from "./calls.ts"
import { killScript, quote } from "../../job/shell.ts"

/**
 * Kills what was started in a sandbox with that mark, and everything that it started; `pid` is its leader, where it is
 * known. Never fails: what may still be running is logged.
 */
export type Kill = (mark: string, pid?: number) => Effect.Effect<void>

/** Kills in one sandbox. */
export const killer = (calls: E2bCalls, sandbox: SdkSandbox, sandboxId: Id.SandboxId): Kill =>
  Effect.fnUntraced(
    function* (mark: string, pid?: number) {
      yield* calls.call({ operation: "kill", sandboxId }, () =>
        sandbox.commands.run(`bash -c ${quote(killScript)} kill ${quote(mark)} ${pid ?? ""}`, {
          timeoutMs: 30_000
        })
      )
    },
    // Nothing runs in a sandbox that is gone, and nothing in a paused one can be killed before it wakes.
    Effect.catchReasons("SandboxError", {
      Gone: () => Effect.void,
      Expired: () => Effect.void,
      Paused: () => Effect.void
    }),
    Effect.catch((error) => Effect.logError("A command may still be running", error))
  )
