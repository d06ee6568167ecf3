import { Context, type Effect, type Scope, type Stream } from "effect"

/**
 * The terminal, for a program that wants to control all of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface RawTerminal {
  readonly size: () => { readonly columns: number; readonly rows: number }
  /** Emits when the size changes. */
  readonly resized: Stream.Stream<void>
  /** Until the scope closes, every key is input, including Ctrl-C. */
  readonly raw: Effect.Effect<void, never, Scope.Scope>
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
}

/**
 * The process that a command runs in. The bin reads it once; nothing else reads `process`.
 *
 * @category services
 * @since 0.1.0
 */
export class CommandHost extends Context.Service<
  CommandHost,
  {
    readonly env: Readonly<Record<string, string | undefined>>
    /** The working directory, where `.env` and `remote-agent.json` are. */
    readonly cwd: string
    /** The absolute path of the folder for data that outlives a command. `DataFolder.ensure` creates it. */
    readonly dataFolder: string
    /** The absolute path of the user's own settings. Absent: there are none. */
    readonly userConfig?: string | undefined
    /** Whether there is a terminal to ask questions on. */
    readonly interactive: boolean
    /** The operating system, as Node.js names it. */
    readonly platform?: string | undefined
    /** Whether standard input is a pipe or a file, with text for the command. Absent where there is none. */
    readonly piped?: (() => boolean) | undefined
    /** Absent without a terminal. */
    readonly terminal?: RawTerminal | undefined
    /** Writes one line of the log. */
    readonly log: (line: string) => void
    /** Starts this binary again: the program and the file that it runs. */
    readonly command: readonly [string, ...ReadonlyArray<string>]
    /**
     * Sets the text that is printed when the process exits without cleaning up. A command that cleans nothing up also
     * sets the announcement that the first Ctrl-C prints.
     */
    readonly leftovers: (text: string, announcement?: string) => void
  }
>()("@remote-agent/cli/CommandHost") {}
