import { type Id, Profile, Placeholders } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Duration } from "effect"

/** One question as the agent program gets it. */
export interface Request {
  readonly id: Id.QueryId
  readonly text: string
  /** The conversation it belongs to, under our name for it; a runner remembers earlier turns of it. */
  readonly session?: string | undefined
  /** Whether a runner is to forget the earlier turns of it. */
  readonly newSession?: boolean | undefined
  /** The agent's own id of the session to go on with, from the result of an earlier query. */
  readonly agentSession?: string | undefined
  /** Instead of the profile's own. */
  readonly model?: string | undefined
  /** How many steps the agent may take. */
  readonly maxIterations?: number | undefined
  /** What the agent may spend, in United States dollars. */
  readonly budgetUsd?: number | undefined
  /** Instead of the profile's own. */
  readonly wallTimeout?: Duration.Duration | undefined
}

/** What is run for a query: a program, without a shell. */
export interface QueryCommand {
  readonly argv: readonly [string, ...ReadonlyArray<string>]
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** What it reads. An agent whose query comes another way reads the end of input at once. */
  readonly stdin: string
  readonly timeouts: Sandbox.Timeouts & { readonly idle: Duration.Duration; readonly wall: Duration.Duration }
  /** Files to place before, for their owner alone, and to remove after it has ended. */
  readonly files: ReadonlyArray<{ readonly path: string; readonly content: string }>
}

// The program gets a little less time than we give it, so that it can still say so.
const timeOf = (wall: Duration.Duration): number => Math.max(1, Math.floor(Duration.toMillis(wall) * 0.95))

const added = (value: unknown, argv: ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : (argv ?? [])

const requestJson = (run: Profile.RunSpec, request: Request, wall: Duration.Duration): string => {
  const { id, maxIterations, model = run.model, newSession, session, text } = request
  return `${JSON.stringify({
    ...run.request,
    id,
    query: text,
    timeoutMs: timeOf(wall),
    ...(session === undefined ? {} : { session }),
    ...(newSession === true ? { newSession } : {}),
    ...(model === undefined ? {} : { model }),
    ...(maxIterations === undefined ? {} : { maxIterations })
  })}\n`
}

/** What of a request agents of a profile cannot be told, if there is such a thing. */
export const unsupported = (
  { input, iterationsArgv, modelArgv }: Profile.RunSpec,
  { maxIterations, model }: Pick<Request, "maxIterations" | "model">
): "model" | "maxIterations" | undefined => {
  if (input === "stdin-json" || input === "request-file") return undefined
  if (model !== undefined && modelArgv === undefined) return "model"
  return maxIterations !== undefined && iterationsArgv === undefined ? "maxIterations" : undefined
}

/**
 * What to run for a query in a sandbox with this home folder. The query is in `stdin` or in a file; only a profile
 * whose input is `argv` puts it into the arguments, as the last one.
 */
export const make = (profile: Profile.Profile, request: Request, home: string): QueryCommand => {
  const { run } = profile
  const { budgetUsd, maxIterations, model = run.model, agentSession } = request
  const places = Profile.placeholders(profile, home)
  const values = {
    ...places,
    requestFile: `${places.run}/requests/${request.id}.json`,
    ...(model === undefined ? {} : { model }),
    ...(agentSession === undefined ? {} : { session: agentSession }),
    ...(budgetUsd === undefined ? {} : { budgetUsd: String(budgetUsd) }),
    ...(maxIterations === undefined ? {} : { maxIterations: String(maxIterations) })
  }
  const wall = request.wallTimeout ?? run.wallTimeout
  const [program, ...rest] = run.argv
  const more = [
    ...rest,
    ...added(model, run.modelArgv),
    ...added(budgetUsd, run.budgetArgv),
    ...added(maxIterations, run.iterationsArgv),
    ...added(agentSession, run.resumeArgv)
  ].map((argument) => Placeholders.expand(argument, values))
  const json = requestJson(run, request, wall)
  return {
    argv: [Placeholders.expand(program, values), ...more, ...(run.input === "argv" ? [request.text] : [])],
    cwd: Placeholders.expand(run.cwd ?? "{work}", values),
    ...(run.env === undefined ? {} : { env: Placeholders.expandAll(run.env, values) }),
    stdin: run.input === "stdin-json" ? json : run.input === "stdin-text" ? request.text : "",
    timeouts: { idle: run.idleTimeout, wall },
    files: run.input === "request-file" ? [{ path: values.requestFile, content: json }] : []
  }
}
