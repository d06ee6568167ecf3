import { DaemonControl, DaemonError, DaemonFile } from "@remote-agent/e2b-local"
import { Clock, Duration, Effect, Redacted } from "effect"
import type { Run } from "../../app/Environment.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { exitCode } from "../../ui/ExitCode.ts"
import { Ended } from "../../ui/Failure.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import { onOff } from "../shared/flags.ts"

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

type Document = ReturnType<typeof documentOf>

const duration = (seconds: number): string =>
  seconds === 0 ? "0s" : Duration.format(Duration.seconds(seconds))

/** When the server stops by itself. A sandbox keeps it running, also one that is paused. */
export const stopsWhen = ({
  idleSeconds,
  sandboxes: { paused, running }
}: Pick<Document, "idleSeconds" | "sandboxes">): string => {
  if (idleSeconds === null) return "on request"
  const idle = `when idle for ${duration(idleSeconds)}`
  const count = running + paused
  if (count === 0) return idle
  return `${idle}, and not before its ${count === 1 ? "sandbox is" : `${count} sandboxes are`} deleted`
}

const toText = (document: Document): string => {
  const { apiKey, background, log, sandboxes, ...rest } = document
  const rows: ReadonlyArray<readonly [string, string | undefined]> = [
    ["address", rest.apiUrl],
    ["key", apiKey],
    ["sandboxes", `${sandboxes.running} running, ${sandboxes.paused} paused`],
    ["requests", String(rest.requests)],
    ["uptime", duration(rest.uptimeSeconds)],
    ["isolation", rest.isolation],
    ["version", rest.version],
    ["stops", stopsWhen(document)],
    ["folder", rest.folder],
    ["log", log ?? undefined]
  ]
  return [
    `The local server is running (pid ${rest.pid}${background ? ", in the background" : ""}).`,
    ...rows.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(10)}${value}`]))
  ].join("\n")
}

/** `local status`. */
export const status = command({
  name: "local status",
  at: "machine",
  description: "Show whether the local server runs, and its sandboxes. Exit code 3 when it does not run",
  flags: { showKey: onOff("show-key", "Show the key of the server, too") },
  examples: [{ command: "remote-agent local status --json", description: "For programs" }],
  run: Effect.fn("local status")(function* ({ json, showKey }): Run {
    const [{ out }, { dataFolder: folder }] = [yield* Screen, yield* CommandHost]
    const found = yield* DaemonControl.look(folder)
    const failure = (reason: DaemonError.DaemonError["reason"]) =>
      new DaemonError.DaemonError({ operation: "status", folder, reason })
    switch (found._tag) {
      case "Missing":
      case "Dead":
        yield* line(
          out,
          json
            ? jsonText({ running: false, folder })
            : "The local server is not running.\n  remote-agent local serve"
        )
        return yield* new Ended({ code: exitCode.notFound })
      case "Damaged":
        return yield* failure(new DaemonError.FileUnusable({ path: found.path, detail: found.detail }))
      case "Silent":
        return yield* failure(new DaemonError.Unanswered({ pid: found.entry.owner.pid }))
      case "Running": {
        const now = yield* Clock.currentTimeMillis
        const document = documentOf(folder, found.entry, found.status, now, showKey)
        return yield* line(out, json ? jsonText(document) : toText(document))
      }
    }
  })
})
