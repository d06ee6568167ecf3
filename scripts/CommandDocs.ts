/** Generates the reference of the commands from the command tree. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cli, CommandHost, Screen, Redaction } from "@remote-agent/cli"
import { Effect, Layer } from "effect"
import { Completions } from "effect/cli"

const helpOf = Effect.fnUntraced(function* (path: ReadonlyArray<string>) {
  let text = ""
  const output: Screen.Output = {
    live: false,
    colors: false,
    columns: () => 80,
    write: (more) => Effect.sync(() => void (text += more))
  }
  const host: CommandHost.CommandHost["Service"] = {
    env: {},
    cwd: "/",
    dataFolder: "/nowhere",
    interactive: false,
    log: () => undefined,
    command: ["false"],
    leftovers: () => undefined
  }
  yield* Cli.run([...path, "--help"]).pipe(
    Effect.orDie,
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        Layer.succeed(Redaction.Redaction, Redaction.make()),
        Layer.succeed(Screen.Screen, { out: output, err: output, note: output }),
        Layer.succeed(CommandHost.CommandHost, host)
      )
    )
  )
  return text.trimEnd()
})

/** Removes the global flags, which the page lists once, at the top. */
const withoutGlobalFlags = (help: string): string =>
  help.replace(/\nEvery command also takes [^]*$/, "\n").trimEnd()

interface Known {
  readonly path: ReadonlyArray<string>
  readonly description: string
}

/** The subcommands without their aliases, which the descriptor lists behind the commands. */
const subcommandsOf = ({ subcommands }: Completions.CommandDescriptor) =>
  subcommands.filter(
    ({ description }, index) => subcommands.findIndex((one) => one.description === description) === index
  )

const commandsOf = (
  command: Completions.CommandDescriptor,
  above: ReadonlyArray<string>
): ReadonlyArray<Known> =>
  subcommandsOf(command).flatMap((one): ReadonlyArray<Known> => {
    const path = [...above, one.name]
    return [{ path, description: one.description ?? "" }, ...commandsOf(one, path)]
  })

/** The output of `--help` of one command. */
interface Help {
  /** The words of the command; none for `remote-agent` itself. */
  readonly path: ReadonlyArray<string>
  readonly text: string
}

const known = commandsOf(Completions.fromCommand(Cli.root), [])

/** The output of `--help` of every command. */
export const helps: Effect.Effect<ReadonlyArray<Help>> = Effect.forEach(
  [[], ...known.map(({ path }) => path)],
  (path) => Effect.map(helpOf(path), (text) => ({ path, text }))
)

/** `docs/commands.md`. */
export const commands = Effect.gen(function* () {
  const [root, ...others] = yield* helps
  const sections = others.map(
    ({ path, text }) => `## ${path.join(" ")}\n\n\`\`\`text\n${withoutGlobalFlags(text)}\n\`\`\`\n`
  )
  const rows = known.map(
    ({ description, path }) => `| [\`${path.join(" ")}\`](#${path.join("-")}) | ${description} |`
  )
  return [
    "# Commands",
    "Generated from the commands by `pnpm run docs`. Exit codes: 0 success, 1 failure, 2 wrong usage or configuration, 3 not found, 4 timeout, 5 partial failure, 130 interrupted. `exec` and `shell` exit with the code of their process, also 126 (it cannot be run) and 127 (it is not found); they exit with 124 when a time limit killed it, and with 125 when Remote Agent itself fails.",
    ["| command | does |", "| --- | --- |", ...rows].join("\n"),
    `\`\`\`text\n${root?.text ?? ""}\n\`\`\``,
    ...sections
  ].join("\n\n")
})
