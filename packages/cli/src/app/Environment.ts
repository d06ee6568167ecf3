import type { Effect, FileSystem, Path, Stdio } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import type { CommandHost } from "../process/CommandHost.ts"
import type { Redaction } from "../process/redaction.ts"
import type { Ended, Failure } from "../ui/Failure.ts"
import type { Screen } from "../ui/Screen.ts"
import type { Settings } from "./Settings.ts"

/** The services that every command gets. */
export type Environment =
  | ChildProcessSpawner.ChildProcessSpawner
  | FileSystem.FileSystem
  | Path.Path
  | Stdio.Stdio
  | CommandHost
  | Screen
  | Redaction
  | Settings

/** What the generator of a command returns. `Ended` means that the failure has been reported already. */
export type Run<R = never> = Effect.fn.Return<void, Failure | Ended, Environment | R>
