import { Context, type Effect } from "effect"
import type { Completions } from "effect/cli"

/** All commands with their flags and arguments. A command cannot import the tree that contains it. */
export class CommandTree extends Context.Service<CommandTree, Effect.Effect<Completions.CommandDescriptor>>()(
  "@remote-agent/cli/CommandTree"
) {}
