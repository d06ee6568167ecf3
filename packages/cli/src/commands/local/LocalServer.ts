import { Daemon, DaemonControl, DaemonError, DaemonFile, DaemonStart } from "@remote-agent/e2b-local"
import { Clock, Duration, Effect, Redacted } from "effect"
import * as DataFolder from "../../app/dataFolder.ts"
import { Ended, exitCode, type Run } from "../../ui/Failure.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import * as LocalDaemon from "../../app/LocalDaemon.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { version } from "../../version.ts"

/** The flags of `local serve`. */
export interface ServeFlags extends LocalDaemon.Wanted {
  readonly background: boolean
  readonly json: boolean
}

/** What an E2B program needs in its environment. */
const variables = (url: string, apiKey: Redacted.Redacted) => ({
  E2B_API_URL: url,
  E2B_SANDBOX_URL: url,
  E2B_API_KEY: Redacted.value(apiKey)
})

/** Tells where the server is: for a shell to evaluate, or for programs. */
const tellVariables = Effect.fnUntraced(function* (
  daemon: Pick<DaemonStart.Daemon["Service"], "url" | "apiKey" | "pid" | "isolation">,
  json: boolean
) {
  const { err, out } = yield* Screen
  const { apiKey, isolation, pid, url } = daemon
  const found = variables(url, apiKey)
  yield* line(
    out,
    json
      ? JSON.stringify({ pid, isolation, ...found })
      : Object.entries(found)
          .map(([name, value]) => `export ${name}=${value}`)
          .join("\n")
  )
  if (isolation === "none") {
    yield* line(err, "Note: sandboxes are plain processes; nothing is kept from them.")
  }
})

/**
 * Serves the data folder until Ctrl-C, and prints what E2B programs need to use it. It is the server of the folder as
 * the daemon would be: commands use it, and a second one is refused. In the background: starts the daemon unless the
 * folder is served, and is done.
 */
export const serve = Effect.fn("local serve")(function* ({ background, json, ...wanted }: ServeFlags): Run {
  const screen = yield* Screen
  if (background) {
    const options = yield* LocalDaemon.options(wanted)
    yield* Effect.scoped(
      Effect.flatMap(DaemonStart.connect(options), (daemon) => tellVariables(daemon, json))
    )
    return
  }
  const [folder, host] = [yield* DataFolder.ensure, yield* CommandHost]
  host.leftovers("Folders of sandboxes may be left in the data folder until the next start.")
  const why = yield* Daemon.serve({
    folder,
    version,
    isolation: wanted.isolation,
    idle: wanted.idle === undefined ? undefined : Duration.seconds(wanted.idle),
    onReady: ({ apiKey, apiUrl, isolation, owner }) =>
      Effect.andThen(
        tellVariables({ apiKey, isolation, pid: owner.pid, url: apiUrl }, json),
        line(screen.err, "Serving until Ctrl-C; its sandboxes end with it.")
      ).pipe(Effect.provideService(Screen, screen))
  })
  yield* line(screen.err, why === "idle" ? "Ended: it was idle." : "Ended: it was told to.")
})

/** Serves the data folder as the process that is in the background. Everything that it has to say is in its log. */
export const daemon = Effect.fn("local daemon")(function* ({ idle, isolation }: LocalDaemon.Wanted): Run {
  const folder = yield* DataFolder.ensure
  yield* Daemon.serve({
    folder,
    version,
    isolation,
    idle: Duration.seconds(idle ?? LocalDaemon.idleSeconds),
    background: true
  })
})

/** The flags of `local status`. */
export interface StatusFlags {
  readonly showKey: boolean
  readonly json: boolean
}

const documentOf = (
  folder: string,
  entry: DaemonFile.Entry,
  { idleMillis, paused, requests, running }: DaemonControl.Status,
  now: number,
  showKey: boolean
) => ({
  running: true,
  folder,
  pid: entry.owner.pid,
  version: entry.version,
  background: entry.background,
  apiUrl: entry.apiUrl,
  sandboxUrl: entry.sandboxUrl,
  ...(showKey ? { apiKey: Redacted.value(entry.apiKey) } : {}),
  sandboxes: { running, paused },
  requests,
  uptimeSeconds: Math.max(0, Math.round((now - entry.startedAt) / 1000)),
  isolation: entry.isolation,
  idleSeconds: idleMillis === null ? null : idleMillis / 1000,
  log: entry.background ? DaemonFile.paths(folder).log : null
})

/** Says whether the data folder is served, by whom and what it holds. Ends with 3 when it is not. */
export const status = Effect.fn("local status")(function* ({ json, showKey }: StatusFlags): Run {
  const [{ out }, { dataFolder: folder }] = [yield* Screen, yield* CommandHost]
  const found = yield* DaemonControl.look(folder)
  const fail = (reason: DaemonError.DaemonError["reason"]) =>
    new DaemonError.DaemonError({ operation: "status", folder, reason })
  switch (found._tag) {
    case "Missing":
    case "Dead":
      yield* line(
        out,
        json
          ? JSON.stringify({ running: false, folder })
          : "The local server is not running.\n  remote-agent local serve"
      )
      return yield* new Ended({ code: exitCode.notFound })
    case "Damaged":
      return yield* fail(new DaemonError.FileUnusable({ path: found.path, detail: found.detail }))
    case "Silent":
      return yield* fail(new DaemonError.Unanswered({ pid: found.entry.owner.pid }))
    case "Running": {
      const now = yield* Clock.currentTimeMillis
      const document = documentOf(folder, found.entry, found.status, now, showKey)
      return yield* line(out, json ? JSON.stringify(document) : toText(document))
    }
  }
})

const duration = (seconds: number): string =>
  seconds === 0 ? "0s" : Duration.format(Duration.seconds(seconds))

const toText = (document: ReturnType<typeof documentOf>): string => {
  const { apiKey, background, idleSeconds, log, sandboxes, ...rest } = document
  const rows: ReadonlyArray<readonly [string, string | undefined]> = [
    ["address", rest.apiUrl],
    ["key", apiKey],
    ["sandboxes", `${sandboxes.running} running, ${sandboxes.paused} paused`],
    ["requests", `${rest.requests} being answered`],
    ["uptime", duration(rest.uptimeSeconds)],
    ["isolation", rest.isolation],
    ["version", rest.version],
    ["ends", idleSeconds === null ? "when it is stopped" : `when idle for ${duration(idleSeconds)}`],
    ["folder", rest.folder],
    ["log", log ?? undefined]
  ]
  return [
    `The local server is running (pid ${rest.pid}${background ? ", in the background" : ""}).`,
    ...rows.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(10)}${value}`]))
  ].join("\n")
}

/** The flags of `local stop`. */
export interface StopFlags {
  readonly yes: boolean
  readonly json: boolean
}

/** Ends whoever serves the data folder, and waits until it has ended. Refuses while there are sandboxes, unless told. */
export const stop = Effect.fn("local stop")(function* ({ json, yes }: StopFlags): Run {
  const [{ out }, { dataFolder: folder }] = [yield* Screen, yield* CommandHost]
  const { entry, status: last } = yield* DaemonStart.stop(folder, yes)
  const sandboxes = last.running + last.paused
  const ended =
    sandboxes === 0 ? "" : ` ${sandboxes} ${sandboxes === 1 ? "sandbox" : "sandboxes"} ended with it.`
  yield* line(
    out,
    json
      ? JSON.stringify({ stopped: true, pid: entry.owner.pid, sandboxes })
      : `The local server (pid ${entry.owner.pid}) has ended.${ended}`
  )
})
