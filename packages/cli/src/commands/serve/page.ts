import type { PageRoutes } from "@remote-agent/server"
import { buildScript, pageFolder } from "@remote-agent/web"
import { Effect } from "effect"
import { ChildProcess } from "effect/process"
import { CommandHost } from "../../process/CommandHost.ts"
import { line, Screen } from "../../ui/Screen.ts"

/** The page. A checkout of the repository builds it at the first visit, and says so. */
export const page = Effect.gen(function* () {
  const [{ note }, { command }] = [yield* Screen, yield* CommandHost]
  if (buildScript === undefined) return { folder: pageFolder } satisfies PageRoutes.Page
  const { argv, cwd } = buildScript
  const services = yield* Effect.context<Effect.Services<ReturnType<typeof run>>>()
  const build = line(note, "Building the page. This happens once.").pipe(
    Effect.andThen(run(command[0], argv, cwd)),
    Effect.catch((error) => Effect.logWarning("The page could not be built", error)),
    Effect.provide(services)
  )
  return { folder: pageFolder, build } satisfies PageRoutes.Page
})

const run = (program: string, argv: ReadonlyArray<string>, cwd: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const child = yield* ChildProcess.make(program, argv, {
        cwd,
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
        forceKillAfter: "5 seconds"
      })
      const code = yield* child.exitCode
      if (Number(code) !== 0)
        yield* Effect.logWarning(`The build of the page ended with the exit code ${code}`)
    })
  )
