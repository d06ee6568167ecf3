import { Effect, Redacted } from "effect"
import { CommandHost } from "../../process/CommandHost.ts"
import { Redaction } from "../../process/redaction.ts"
import { Usage } from "../../ui/Failure.ts"

/**
 * The environment of sandboxes from `--env` flags.
 *
 * **Details**
 *
 * `NAME=value` sets a value. `NAME` alone takes the value from this process, which keeps it out of the process list.
 * Values are redacted from all output.
 */
export const parse = Effect.fnUntraced(function* (flags: ReadonlyArray<string>) {
  const [{ env }, secrets] = [yield* CommandHost, yield* Redaction]
  const pairs = yield* Effect.forEach(flags, (flag) => {
    const [, name = "", value] = /^([A-Za-z_]\w*)(?:=(.*))?$/s.exec(flag) ?? []
    const found = value ?? env[name]
    if (found === undefined) {
      return Effect.fail(
        new Usage({
          message:
            name === ""
              ? "A value of --env is neither NAME nor NAME=value. Names are letters, digits and underscores."
              : `The variable ${name} of --env is not set here. Set it, or give --env ${name}=value.`
        })
      )
    }
    secrets.add([found])
    return Effect.succeed([name, Redacted.make(found)] as const)
  })
  return Object.fromEntries<Redacted.Redacted>(pairs)
})
