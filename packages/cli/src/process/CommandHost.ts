import { Context, type Effect, type Scope, type Stream } from "effect"

/** The terminal that somebody sits at, for a program that wants all of it. */
export interface RawTerminal {
  readonly size: () => { readonly columns: number; readonly rows: number }
  /** Every time its size changes. */
  readonly resized: Stream.Stream<void>
  /** Until the scope closes, however it closes, every key goes to who reads, Ctrl-C among them. */
  readonly raw: Effect.Effect<void, never, Scope.Scope>
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
}

/** What the process knows and the library must not ask for itself. Read once, by the bin. */
export class CommandHost extends Context.Service<
  CommandHost,
  {
    readonly env: Readonly<Record<string, string | undefined>>
    /** The folder that `.env` and `remote-agent.json` are looked for in. */
    readonly cwd: string
    /** The absolute path of the folder for what outlives a command. It may not exist yet: see `DataFolder.ensure`. */
    readonly dataFolder: string
    /** Whether somebody sits at a terminal and can be asked. */
    readonly interactive: boolean
    /** Absent where nobody sits at a terminal. */
    readonly terminal?: RawTerminal | undefined
    /** Writes one line of the log, at once. */
    readonly log: (line: string) => void
    /** What starts this binary again: the program, and the file that it runs. */
    readonly command: readonly [string, ...ReadonlyArray<string>]
    /** Told what may be left behind should the process be ended without cleaning up. */
    readonly leftovers: (text: string) => void
  }
>()("@remote-agent/cli/CommandHost") {}
