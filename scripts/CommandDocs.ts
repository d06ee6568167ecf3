/** The reference of the commands, made from the commands themselves. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cli, CommandHost, Screen, Redaction } from "@remote-agent/cli"
import { Effect, Layer } from "effect"
import { Completions } from "effect/cli"

const helpOf = Effect.fnUntraced(function* (path: ReadonlyArray<string>) {
  let text = ""
  const output: Screen.Output = {
    live: false,
    colors: false,
    columns: () => 100,
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

/** The flags that every command has are told once, at the top. */
const withoutGlobalFlags = (help: string): string =>
  help.replace(/\n\nGLOBAL FLAGS\n(?: {2}.*\n?)*/, "\n").trimEnd()

interface Known {
  readonly path: ReadonlyArray<string>
  readonly description: string
}

const commandsOf = (
  command: Completions.CommandDescriptor,
  above: ReadonlyArray<string>
): ReadonlyArray<Known> =>
  command.subcommands.flatMap((one): ReadonlyArray<Known> => {
    const path = [...above, one.name]
    return [{ path, description: one.description ?? "" }, ...commandsOf(one, path)]
  })

/** `docs/commands.md`. */
export const commands = Effect.gen(function* () {
  const known = commandsOf(Completions.fromCommand(Cli.root), [])
  const sections = yield* Effect.forEach(known, ({ path }) =>
    Effect.map(
      helpOf(path),
      (help) => `## ${path.join(" ")}\n\n\`\`\`text\n${withoutGlobalFlags(help)}\n\`\`\`\n`
    )
  )
  const rows = known.map(
    ({ description, path }) => `| [\`${path.join(" ")}\`](#${path.join("-")}) | ${description} |`
  )
  return [
    "# Commands",
    "Made from the commands themselves by `pnpm docs`. How a command ends: 0 done, 1 failed, 2 usage or configuration, 3 not found, 4 timeout, 5 partly failed, 130 interrupted.",
    ["| command | does |", "| --- | --- |", ...rows].join("\n"),
    `\`\`\`text\n${yield* helpOf([])}\n\`\`\``,
    ...sections
  ].join("\n\n")
})

/** The commands that stand at the top, for the README. */
export const overview = (): string => {
  const rows = Completions.fromCommand(Cli.root).subcommands.map(
    ({ description = "", name, subcommands }) =>
      `| \`remote-agent ${name}\`${subcommands.length === 0 ? "" : ` ${subcommands.map((one) => `\`${one.name}\``).join(" ")}`} | ${description} |`
  )
  return ["| command | does |", "| --- | --- |", ...rows].join("\n")
}
