import { Context, type Effect } from "effect"
import type { Completions } from "effect/cli"
import type { Ended } from "../../ui/Failure.ts"

/** All commands with their flags and arguments. A command cannot import the tree that contains it. */
export class CommandTree extends Context.Service<CommandTree, Effect.Effect<Completions.CommandDescriptor>>()(
  "@remote-agent/cli/CommandTree"
) {}

/** Prints the help of the command with these words. */
export class HelpPages extends Context.Service<
  HelpPages,
  (words: ReadonlyArray<string>) => Effect.Effect<void, Ended>
>()("@remote-agent/cli/HelpPages") {}
