import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ChildProcess } from "node:child_process"
import { mkdir, readdir, readFile, readlink, writeFile } from "node:fs/promises"
import { join, relative } from "node:path"
import { home } from "../support/agents.ts"
import { receiver } from "../support/receiver.ts"
import { family, finish, type Ran, start } from "../support/support.ts"

const limit = { timeout: 600_000 }

/**
 * A key that resembles no other text. The search is for its middle: the characters around it are escaped differently by
 * JSON, addresses and shells.
 */
const canary = (name: string) => {
  const middle = `Canary${name}Zq7Xw3Vn9Lp5`
  return { middle, value: `k/${middle}+"\\${middle} ${middle}==` }
}

const canaries = {
  /** Of the settings, the same all the time. */
  setting: canary("Setting"),
  /** Of the settings, and another one after the launch. */
  turned: canary("Turned"),
  fresh: canary("Fresh"),
  /** Given for the launch alone, for a rule of the profile. */
  given: canary("Given"),
  /** Given for the launch alone, and unknown to the profile; it has two lines. */
  loose: {
    middle: "CanaryLooseZq7Xw3Vn9Lp5",
    value: "-----BEGIN CanaryLooseZq7Xw3Vn9Lp5\nCanaryLooseZq7Xw3Vn9Lp5="
  }
}

const needles = Object.values(canaries).flatMap(({ middle, value }) => [middle, btoa(value).slice(0, 24)])

/** Which of the canaries are in something, under the name of the place. */
const findIn = (where: string, content: string | Buffer): ReadonlyArray<string> =>
  needles.filter((needle) => content.includes(needle)).map((needle) => `${where}: ${needle}`)

/** A program that prints its keys in every possible way. The question decides how it ends. */
const program = `
import { existsSync, readFileSync, watch, writeFileSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
const names = ["SETTING_KEY", "TURNED_KEY", "GIVEN_KEY", "LOOSE_KEY"]
const keys = names.map((name) => process.env[name]).filter((key) => key !== undefined)
const write = (stream, text) => new Promise((resolve) => stream.write(text, resolve))
const say = (value) => write(process.stdout, (typeof value === "string" ? value : JSON.stringify(value)) + "\\n")
const all = keys.join(" and ")
const slowly = async (stream, text) => {
  for (const key of keys) {
    const at = text.indexOf(key.slice(0, 12)) + 10
    await write(stream, text.slice(0, at))
    await setTimeout(60)
    text = text.slice(at)
  }
  await write(stream, text)
}
const [mode] = process.argv.slice(2)
if (mode === "health") {
  await say(all)
  await write(process.stderr, all)
  process.exit(existsSync("unwell") ? 1 : 0)
}
const { query } = mode === "text" ? { query: "text" } : JSON.parse(readFileSync(0, "utf8"))
writeFileSync("notes-of-the-agent", all)
await say(all)
await slowly(process.stdout, "noise " + all + "\\n")
if (mode === "text") process.exit(0)
for (const key of keys) {
  const data = { [key]: [key, { deep: "Bearer " + key }], at: "https://example.com/?key=" + encodeURIComponent(key), basic: btoa(key) }
  await say({ type: "event", event: { type: "thinking", message: "The key is " + key } })
  await say({ type: "event", event: { type: "tool_start", tool: "curl " + key, toolCallId: key, args: data } })
  await say({ type: "event", event: { type: "tool_end", tool: "curl", result: JSON.stringify(data) } })
  await say({ type: "strange", line: data })
}
await slowly(process.stdout, JSON.stringify({ type: "event", event: { type: "notice", message: all } }) + "\\n")
await slowly(process.stderr, (all + "\\n").repeat(12))
if (query === "wait") {
  await say({ type: "event", event: { type: "thinking", message: "waiting" } })
  await new Promise((resolve) => {
    const look = () => existsSync("go-on") && (watcher.close(), resolve())
    const watcher = watch(".", look)
    look()
  })
}
if (query === "crash") process.exit(3)
const answer = { sessionId: keys[0], answer: "My keys are " + all + "." }
if (query === "strange") await say({ type: "result", outcome: keys[0], ...answer })
else if (query === "fail") await say({ type: "result", outcome: "error", error: "Refused: " + all, ...answer })
else await say({ type: "result", outcome: "ok", ...answer })
`

const canaryProfile = {
  extends: "custom",
  description: "Says its keys",
  assets: [{ path: "{run}/agent.mjs", file: "agent.mjs" }],
  env: [
    { name: "SETTING_KEY", secret: true, from: ["THE_SETTING"] },
    { name: "TURNED_KEY", secret: true },
    { name: "GIVEN_KEY", secret: true, required: true }
  ],
  setup: [{ argv: ["node", "{run}/agent.mjs", "health"] }],
  health: { argv: ["node", "{run}/agent.mjs", "health"] },
  run: { argv: ["node", "{run}/agent.mjs"], input: "stdin-json", protocol: "runner-jsonl" }
}

const settings = (otlp: string) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: otlp,
  REMOTE_AGENT_METRICS_FILE: "metrics.prom",
  profiles: {
    canary: canaryProfile,
    text: {
      ...canaryProfile,
      run: { argv: ["node", "{run}/agent.mjs", "text"], input: "stdin-text", protocol: "text" }
    },
    unwell: {
      ...canaryProfile,
      health: { argv: ["sh", "-c", "node $0 health; touch unwell; node $0 health", "{run}/agent.mjs"] }
    }
  }
})

/** What the keys are when an agent is launched. */
const atLaunch = {
  THE_SETTING: canaries.setting.value,
  TURNED_KEY: canaries.turned.value,
  GIVEN_KEY: canaries.given.value,
  LOOSE_KEY: canaries.loose.value
}
const byName = ["--env", "GIVEN_KEY", "--env", "LOOSE_KEY"]

/** What they are later: one is the same, one another, and those of the launch are not known any more. */
const later = { THE_SETTING: canaries.setting.value, TURNED_KEY: canaries.fresh.value }

/** The folders that a sandbox writes itself, with the output of its programs: what its agent keeps there is the agent's own. */
const ofSandbox = /^\.local\/share\/remote-agent\/sandboxes\/[^/]+\/[^/]+\/(?:home|tmp|vartmp)\//

/** Every file below a folder: ours, and those of the sandboxes themselves. */
const filesBelow = async (root: string) => {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const ours = files.filter((file) => !ofSandbox.test(relative(root, file)))
  return { ours, theirs: files.filter((file) => !ours.includes(file)) }
}

const readable = (path: string) => readFile(path, "utf8").catch(() => undefined)

/** The processes below some, whether each is in a sandbox, and what everybody can see of it. */
const seen = async (pids: ReadonlyArray<number>) => {
  const here = await readlink("/proc/self/ns/pid")
  const members = (await Promise.all(pids.map(family))).flat()
  return Promise.all(
    members.map(async ({ pid }) => ({
      pid,
      inside: (await readlink(`/proc/${pid}/ns/pid`).catch(() => here)) !== here,
      cmdline: await readable(`/proc/${pid}/cmdline`),
      environ: await readable(`/proc/${pid}/environ`)
    }))
  )
}

/** The binary, which has ended when the scope closes. */
const started = (...args: Parameters<typeof start>) =>
  Effect.acquireRelease(
    Effect.sync(() => start(...args)),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** Settles when a process has written some text on standard output or error. */
const written = (child: ChildProcess, text: string) =>
  Effect.promise(
    () =>
      new Promise<void>((resolve) => {
        let all = ""
        for (const stream of [child.stdout, child.stderr]) {
          stream?.on("data", (data: Buffer) => {
            all += data.toString()
            if (all.includes(text)) resolve()
          })
        }
        child.on("close", () => resolve())
      })
  )

describe("a key of an agent", () => {
  it.live(
    "is in nothing that is printed, kept, sent or shown by the system, however the agent says it",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      const { received, url } = yield* receiver
      const put = (name: string, text: string) => Effect.promise(() => writeFile(join(cwd, name), text))
      yield* put("remote-agent.json", JSON.stringify(settings(url)))
      yield* Effect.promise(() => mkdir(join(cwd, "exports")))
      // The program names its keys and does not have them.
      yield* put("agent.mjs", program)

      const leaks: Array<string> = []
      const note = (found: ReadonlyArray<string>) => void leaks.push(...found)
      const kept = (args: ReadonlyArray<string>, ran: Ran) => {
        note(findIn(`stdout of ${args.join(" ")}`, ran.stdout))
        note(findIn(`stderr of ${args.join(" ")}`, ran.stderr))
        return ran
      }
      const does = (env: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
        Effect.promise(async () =>
          kept(args, await finish(start(cwd, args, { REMOTE_AGENT_TRUST: cwd, ...env })))
        )
      /** Without any key. */
      const plainly = (...args: ReadonlyArray<string>) => does({}, ...args)
      const done = Effect.fnUntraced(function* (
        env: Readonly<Record<string, string>>,
        ...args: ReadonlyArray<string>
      ) {
        const ran = yield* does(env, ...args)
        assert.strictEqual(ran.code, 0, `${args.join(" ")}: ${ran.stderr}`)
        return ran.stdout
      })
      const masked = /My keys are (\*\*\* and ){3}\*\*\*/

      // One that launches and asks at once, and one whose agents are of a pool.
      assert.match(yield* done(atLaunch, "ask", "all", "--profile", "canary", ...byName), masked)
      const pool = ["pool", "run", "a", "b", "--size", "2", "--profile", "canary", ...byName]
      assert.match(yield* done(atLaunch, ...pool), masked)

      yield* done(atLaunch, "launch", "--profile", "canary", "--name", "one", ...byName)
      assert.match(yield* done(later, "query", "one", "all"), masked)
      assert.match(yield* done(later, "query", "one", "all", "--json"), masked)
      for (const how of ["fail", "crash", "strange"]) {
        const { code, stdout } = yield* does(later, "query", "one", how, "--json")
        assert.notStrictEqual(code, 0)
        assert.notStrictEqual(stdout, "")
      }
      // No output shows the key, neither the text for people nor the JSON.
      assert.match(
        yield* done({ REMOTE_AGENT_LOG_FORMAT: "json" }, "query", "one", "all", "--verbose"),
        masked
      )
      yield* done({}, "pause", "one")
      assert.match(yield* done(later, "query", "one", "wake up"), masked)
      yield* done(atLaunch, "launch", "--profile", "text", "--name", "two", ...byName)
      assert.include(yield* done({}, "query", "two", "all"), "***")

      // One whose process dies is taken over by a process that knows none of the keys.
      const first = yield* started(cwd, ["query", "one", "wait"], { ...later, REMOTE_AGENT_TRUST: cwd })
      const ran = finish(first)
      yield* written(first, "waiting")
      const { pid } = JSON.parse(yield* done({}, "local", "status", "--json"))
      const watched = yield* started(cwd, ["logs", "one", "--follow"], { REMOTE_AGENT_TRUST: cwd })
      const logs = finish(watched)
      yield* written(watched, "waiting")
      const processes = yield* Effect.promise(() => seen([pid, watched.pid ?? 0, first.pid ?? 0]))
      first.kill("SIGKILL")
      kept(["query", "one", "wait"], yield* Effect.promise(() => ran))
      yield* done({}, "exec", "one", "--", "touch", "work/go-on", "go-on")
      const followed = kept(["logs", "one", "--follow"], yield* Effect.promise(() => logs))
      assert.match(followed.stdout, masked)

      for (const { cmdline = "", environ = "", inside, pid: id } of processes) {
        note(findIn(`/proc/${id}/cmdline (${cmdline.slice(0, 60)})`, cmdline))
        // The key of today was given to this one, by its environment.
        if (!inside && id !== first.pid)
          note(findIn(`/proc/${id}/environ (${cmdline.slice(0, 60)})`, environ))
      }
      assert.isAtLeast(processes.filter(({ environ, inside }) => !inside && environ !== undefined).length, 2)
      // The agent has its keys, or this test would find nothing anywhere.
      const inside = processes.filter((one) => one.inside).map(({ environ }) => environ)
      assert.isTrue(inside.some((environ) => findIn("", environ ?? "").length > 0))

      // Failures and their messages.
      assert.strictEqual((yield* does(later, "launch", "--profile", "canary", "--name", "three")).code, 2)
      assert.notStrictEqual(
        (yield* does(atLaunch, "launch", "--profile", "unwell", "--name", "four", ...byName)).code,
        0
      )

      for (const args of [
        ["logs", "one"],
        ["logs", "one", "--json"],
        ["list", "--json"],
        ["info", "one", "--json"],
        ["health", "one", "--json"],
        ["profiles", "show", "canary"],
        ["state", "export", "exports/state.json"],
        ["state", "export", "-"],
        ["update", "two"]
      ]) {
        yield* plainly(...args)
      }
      assert.include(yield* Effect.promise(() => readFile(join(cwd, "exports/state.json"), "utf8")), "***")

      const { ours, theirs } = yield* Effect.promise(() => filesBelow(cwd))
      for (const file of ours) {
        note(findIn(relative(cwd, file), yield* Effect.promise(() => readFile(file))))
      }
      const names = ours.map((file) => relative(cwd, file)).join("\n")
      for (const name of ["state.sqlite", "local.log", "metrics.prom", "exports/state.json"]) {
        assert.include(names, name)
      }
      // It is in the files that the agent wrote, or this search would be for nothing.
      const agents = yield* Effect.promise(() => Promise.all(theirs.map((file) => readFile(file))))
      assert.isTrue(agents.some((content) => findIn("", content).length > 0))
      note(findIn("what observers are sent", received.map(({ body }) => body).join("\n")))
      assert.isAbove(received.length, 0)
      assert.deepStrictEqual(leaks, [])
    }),
    limit
  )
})
