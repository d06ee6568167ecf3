import { Effect, Option } from "effect"
import { ChildProcess } from "effect/process"
import { CommandHost } from "../../process/CommandHost.ts"
import { Screen } from "../../ui/Screen.ts"
import { plain } from "../../ui/plainText.ts"
import { onOff, text } from "./flags.ts"

/** The flags of a command that can say when it is done. */
export const notifying = {
  notify: onOff("notify", "Ring the bell of the terminal, and show a desktop notification, at the end"),
  notifyCommand: text(
    "notify-command",
    "A shell command to run at the end; REMOTE_AGENT_OUTCOME and REMOTE_AGENT_QUERY_ID say how"
  )
}

/** The values of {@link notifying}. */
export interface Notifying {
  readonly notify: boolean
  readonly notifyCommand: string | undefined
}

/** What a notification tells. */
export interface News {
  readonly title: string
  readonly text: string
  /** Variables for the command of `--notify-command`. */
  readonly env: Readonly<Record<string, string>>
}

const script = [
  "on run argv",
  "display notification (item 2 of argv) with title (item 1 of argv)",
  "end run"
].flatMap((one) => ["-e", one])

/** The program that shows a notification on this desktop, if there is one. */
const desktop = (
  env: Readonly<Record<string, string | undefined>>,
  platform: string | undefined,
  { text: body, title }: News
): Option.Option<readonly [string, ...ReadonlyArray<string>]> => {
  if (platform === "darwin") return Option.some(["osascript", ...script, "--", title, body])
  return env["DISPLAY"] || env["WAYLAND_DISPLAY"]
    ? Option.some(["notify-send", "--app-name=remote-agent", "--", title, body])
    : Option.none()
}

const longest = "1 minute"

const runProgram = Effect.fnUntraced(function* (
  [program, ...args]: readonly [string, ...ReadonlyArray<string>],
  env: Readonly<Record<string, string | undefined>>
) {
  const child = yield* ChildProcess.make(program, args, {
    env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    forceKillAfter: "2 seconds"
  })
  return yield* child.exitCode
})

/**
 * Says that something is done, as the flags ask. A notification that cannot be shown is logged, and changes nothing
 * about the command.
 */
export const notify = Effect.fnUntraced(function* (
  { notify: isWanted, notifyCommand }: Notifying,
  news: News
) {
  const [{ env, platform }, { err }] = [yield* CommandHost, yield* Screen]
  const shown = { ...news, title: plain(news.title), text: plain(news.text) }
  if (isWanted && err.live) yield* err.write("\u0007")
  const programs = [
    ...(isWanted ? Option.toArray(desktop(env, platform, shown)) : []),
    ...(notifyCommand === undefined ? [] : [["sh", "-c", notifyCommand] as const])
  ]
  yield* Effect.forEach(
    programs,
    (program) =>
      runProgram(program, { ...env, ...news.env }).pipe(
        Effect.scoped,
        Effect.timeout(longest),
        Effect.tap((code) =>
          code === 0 ? Effect.void : Effect.logWarning(`${program[0]} ended with exit code ${code}`)
        ),
        Effect.catch((error) => Effect.logWarning(`${program[0]} could not be run`, error))
      ),
    { discard: true }
  )
})
