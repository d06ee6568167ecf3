import { NodeServices } from "@effect/platform-node"
import { Cli, Screen, Redaction } from "@remote-agent/cli"
import { Cause, Effect, Exit, Layer, Stdio, Stream } from "effect"
import * as Documents from "./documents.ts"
import { host } from "./host.ts"

interface Wanted {
  readonly cwd: string
  readonly live?: boolean
  readonly columns?: number
  readonly env?: Readonly<Record<string, string>>
  /** What is piped into the command. */
  readonly stdin?: string
}

/** Runs a command in this process, on a screen of paper. No local server can be started from it. */
export const run = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  { columns = 60, cwd, env = {}, live = false, stdin }: Wanted
) {
  const written = { out: "", err: "" }
  const output = (name: "out" | "err"): Screen.Output => ({
    live,
    colors: live,
    columns: () => columns,
    write: (text) =>
      Effect.sync(() => {
        written[name] += text
      })
  })
  const leftovers: Array<string> = []
  const exit = yield* Effect.exit(
    Effect.provide(
      Cli.run(args),
      Layer.mergeAll(
        NodeServices.layer,
        Layer.succeed(Redaction.Redaction, Redaction.make()),
        Layer.succeed(Screen.Screen, { out: output("out"), err: output("err"), note: output("err") }),
        host(cwd, env, (text) => leftovers.push(text), stdin !== undefined),
        stdin === undefined
          ? Layer.empty
          : Stdio.layerTest({ stdin: Stream.succeed(new TextEncoder().encode(stdin)) })
      )
    )
  )
  Documents.check(args, written.out)
  const failure = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  const code =
    failure instanceof Object && "code" in failure ? failure.code : Exit.isSuccess(exit) ? 0 : failure
  return { ...written, code, leftovers }
})
