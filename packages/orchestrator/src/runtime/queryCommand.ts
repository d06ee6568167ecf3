import { type Id, Profile, Placeholders } from "@remote-agent/domain"
import type { Sandbox } from "@remote-agent/sandbox"
import { Duration } from "effect"

/** A query as the agent program receives it. */
export interface Request {
  readonly id: Id.QueryId
  readonly text: string
  /** The conversation of the query, by our name for it. A runner continues it. */
  readonly session?: string | undefined
  /** Whether the runner starts the conversation over. */
  readonly newSession?: boolean | undefined
  /** The agent's own id of the session to continue, from the result of an earlier query. */
  readonly agentSession?: string | undefined
  /** In place of that of the profile. */
  readonly model?: string | undefined
  /** How many steps the agent may take. */
  readonly maxIterations?: number | undefined
  /** What the agent may spend, in US dollars. */
  readonly budgetUsd?: number | undefined
  /** Instead of the profile's own. */
  readonly wallTimeout?: Duration.Duration | undefined
}

/** The command of a query: a program, without a shell. */
export interface QueryCommand {
  readonly argv: readonly [string, ...ReadonlyArray<string>]
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Its input. Empty for an agent that receives its query another way. */
  readonly stdin: string
  readonly timeouts: Sandbox.Timeouts & { readonly idle: Duration.Duration; readonly wall: Duration.Duration }
  /** Files to write before the program starts. */
  readonly files: ReadonlyArray<{ readonly path: string; readonly content: string }>
}

// The program is told a little less time than it has, so that it can end by itself.
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

/** The option of a request that agents of this profile do not support, if there is one. */
export const unsupported = (
  { input, iterationsArgv, modelArgv }: Profile.RunSpec,
  { maxIterations, model }: Pick<Request, "maxIterations" | "model">
): "model" | "maxIterations" | undefined => {
  if (input === "stdin-json" || input === "request-file") return undefined
  if (model !== undefined && modelArgv === undefined) return "model"
  return maxIterations !== undefined && iterationsArgv === undefined ? "maxIterations" : undefined
}

/**
 * The command of a query in a sandbox with this home folder. The text is in `stdin` or in a file; only a profile
 * whose input is `argv` passes it as the last argument.
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
