/** The launch of a job: what the launcher script is given, and what its exit codes mean. */
import { Id, SandboxError } from "@remote-agent/domain"
import { Duration, Effect } from "effect"
import type { Command, Sandbox } from "../Sandbox.ts"
import * as Scripts from "./scripts.ts"
import { marker, quote } from "./shell.ts"

const wellFormed = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/

const refuse = (operation: SandboxError.Operation, sandbox: Sandbox, detail: string) =>
  SandboxError.fail(operation, new SandboxError.InvalidRequest({ detail }), sandbox.id)

/** Checks the id of a job, or a prefix of ids. */
export const checkId = (operation: SandboxError.Operation, sandbox: Sandbox, id: string) =>
  wellFormed.test(id)
    ? Effect.succeed(id)
    : Effect.fail(
        refuse(
          operation,
          sandbox,
          "the id of a job is 1 to 100 letters, digits, '_', '-' and '.', and does not start with '.'"
        )
      )

const millis = (input: Duration.Input | undefined): number =>
  input === undefined ? 0 : Math.max(1, Math.ceil(Duration.toMillis(input)))

/** The user of a command, where one is given. */
export const asUser = (user: string | undefined) => (user === undefined ? {} : { user })

/** The text of `command`, which the supervisor sources to become the command. */
const commandText = (command: Command): string => {
  const variables = Object.entries(command.env ?? {}).map(([name, value]) => quote(`${name}=${value}`))
  const program = "argv" in command ? command.argv.map(quote).join(" ") : 'bash -c "$script"'
  // setsid comes before env, so that it is found with any PATH of the command.
  const env = variables.length === 0 ? "" : `env ${variables.join(" ")} `
  return `export ${marker}="$mark"; exec setsid ${env}${program}`
}

/** The longest input, in characters, that is an argument of the launcher. A longer one is sent on its standard input. */
const longestInput = 16 * 1024

/** How a job gets its input, and the input itself where it is an argument. */
const inputOf = ({ stdin }: Command): readonly [how: "none" | "here" | "stdin", text: string] => {
  if (stdin === undefined || stdin.length === 0) return ["none", ""]
  return typeof stdin === "string" && stdin.length <= longestInput && !stdin.includes("\0")
    ? ["here", stdin]
    : ["stdin", ""]
}

/** The arguments of the launcher. */
export const launcherArguments = Effect.fnUntraced(function* (
  sandbox: Sandbox,
  id: string,
  command: Command,
  clear: string
) {
  if (Object.keys(command.env ?? {}).some((name) => name === "" || name.includes("="))) {
    return yield* refuse("exec", sandbox, "the name of a variable is empty or contains '='")
  }
  if (clear !== "") yield* checkId("exec", sandbox, clear)
  const { cwd = ".", timeouts } = command
  const [input, text] = inputOf(command)
  return [
    Scripts.script("supervisor"),
    id,
    yield* Id.nextToken,
    cwd,
    commandText(command),
    "script" in command ? command.script : "",
    input,
    text,
    millis(timeouts?.idle),
    millis(timeouts?.wall),
    clear
  ]
})

/** The command of the sandbox that launches a job with a script. */
export const launching = (command: Command, script: string): Command => ({
  script,
  ...asUser(command.user),
  ...(command.stdin !== undefined && inputOf(command)[0] === "stdin" ? { stdin: command.stdin } : {})
})

/** The reason behind an exit code of the launcher. */
export const refusalOf = (exitCode: number): SandboxError.Reason | undefined => {
  switch (exitCode) {
    case Scripts.refusals.folder:
      return new SandboxError.InvalidRequest({ detail: "there is no such folder to run in" })
    case Scripts.refusals.tools:
      return new SandboxError.Unsupported({
        feature: "a job (it needs Linux, bash 5, coreutils and setsid)"
      })
    case Scripts.refusals.disk:
      return new SandboxError.NotEnoughSpace({})
    default:
      return undefined
  }
}
