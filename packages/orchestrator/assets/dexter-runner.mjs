#!/usr/bin/env bun
// @ts-check
/**
 * Runs one query of Dexter (github.com/virattt/dexter) without its terminal interface, and reports events on standard
 * output as lines of JSON. It lives outside Dexter's checkout, which it does not change.
 *
 *   dexter-runner.mjs --request <file or "-" for standard input>    {"id", "query", "session"?, "newSession"?, …}
 *   dexter-runner.mjs --health
 *
 * Environment: DEXTER_HOME (the checkout), DEXTER_WORKDIR (where the agent works), DEXTER_MODEL,
 * DEXTER_MAX_ITERATIONS. Start it in a folder in which the agent cannot write: Dexter reads a `.env` of the folder
 * it is loaded in, and a query must not be able to plant one for the next.
 *
 * It runs on Bun, and on Node.js where Dexter's own code does.
 */
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { pathToFileURL } from "node:url"

const HOME = process.env.DEXTER_HOME ?? process.cwd()
const WORK = process.env.DEXTER_WORKDIR ?? process.cwd()

/** How many turns of a session the model sees, and how many are kept. */
const SHOWN_TURNS = 10
const KEPT_TURNS = 50

const write = process.stdout.write.bind(process.stdout)
/** @param {object} line */
const emit = (line) => void write(`${JSON.stringify(line)}\n`)

// Standard output carries only events: everything that Dexter or its libraries print goes to standard error.
process.stdout.write = process.stderr.write.bind(process.stderr)
for (const name of /** @type {const} */ (["log", "info", "debug"])) console[name] = console.error

/** A problem with the request or the installation, with a message for people. */
class Problem extends Error {}

/** @param {string} path */
const inDexter = (path) => import(pathToFileURL(join(HOME, path)).href)

/** The same copy of a library of Dexter's that Dexter itself loads. @param {string} name */
const library = (name) => {
  const { Bun } = /** @type {any} */ (globalThis)
  const path = Bun?.resolveSync(name, HOME) ?? createRequire(join(HOME, "package.json")).resolve(name)
  return import(pathToFileURL(path).href)
}

const versionOf = () => {
  try {
    return String(JSON.parse(readFileSync(join(HOME, "package.json"), "utf8")).version)
  } catch {
    return undefined
  }
}

/** Loads Dexter here, and then moves to where the agent works. */
async function load() {
  const planted = readdirSync(".").find((name) => name === ".env" || name.startsWith(".env."))
  if (planted !== undefined) {
    throw new Problem(`There is a ${planted} in ${process.cwd()}, which Dexter would read. Remove it.`)
  }
  const started = performance.now()
  const { Agent } = await inDexter("src/agent/agent.ts")
  const { getTools } = await inDexter("src/tools/registry.ts")
  const importMs = Math.round(performance.now() - started)
  mkdirSync(WORK, { recursive: true })
  process.chdir(WORK)
  return { Agent, getTools, importMs }
}

// ---- Sessions: Dexter forgets a conversation with its process, so its turns are kept in the work folder ----

/** The name is hashed, so that no name leads to another folder or to another session. @param {string} session */
const sessionFile = (session) => {
  const readable = session.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 40)
  const hash = createHash("sha256").update(session).digest("hex").slice(0, 16)
  return join(".dexter", "remote-sessions", `${readable}-${hash}.json`)
}

/** @typedef {{ query: string, answer: string }} Turn */

/** @param {unknown} turn @returns {turn is Turn} */
const isTurn = (turn) =>
  typeof turn === "object" &&
  turn !== null &&
  "query" in turn &&
  "answer" in turn &&
  typeof turn.query === "string" &&
  typeof turn.answer === "string"

/** The turns so far. A file that cannot be used is set aside, and that is told.
 * @param {string} session @param {(text: string) => void} notice @returns {Turn[]} */
function loadTurns(session, notice) {
  const file = sessionFile(session)
  if (!existsSync(file)) return []
  try {
    const { turns } = JSON.parse(readFileSync(file, "utf8"))
    if (Array.isArray(turns) && turns.every(isTurn)) return turns
  } catch {
    // The same as a file that holds something else.
  }
  const aside = `${file}.corrupt-${Date.now()}`
  renameSync(file, aside)
  notice(`The session ${session} could not be read and begins anew; the old file is kept as ${aside}.`)
  return []
}

/** @param {string} session @param {Turn[]} turns */
function saveTurns(session, turns) {
  const file = sessionFile(session)
  mkdirSync(join(".dexter", "remote-sessions"), { recursive: true })
  writeFileSync(`${file}.tmp`, JSON.stringify({ version: 1, turns: turns.slice(-KEPT_TURNS) }))
  renameSync(`${file}.tmp`, file)
}

/**
 * What `Agent.run` wants as the history: it asks for nothing but the recent turns. Dexter's own class would make one
 * more call of the model for every answer. None at all for a new session: older versions ask for other things too.
 * @param {Turn[]} turns
 */
async function historyOf(turns) {
  if (turns.length === 0) return undefined
  const { AIMessage, HumanMessage } = await library("@langchain/core/messages")
  const messages = turns
    .slice(-SHOWN_TURNS)
    .flatMap(({ answer, query }) => [new HumanMessage(query), new AIMessage(answer)])
  return {
    getRecentTurnsAsMessages: () => messages,
    hasMessages: () => true,
    getUserMessages: () => turns.slice(-SHOWN_TURNS).map(({ query }) => query)
  }
}

// ---- Requests to the model: Dexter's libraries retry without a word, so what they meet is told here ----

/** The paths under which the providers of models answer. */
const MODEL_PATHS = /\/(?:chat\/completions|responses|messages|api\/chat|[^/]*:(?:stream)?generateContent)$/i

const isRetried = (/** @type {number} */ status) =>
  status === 408 || status === 409 || status === 429 || status >= 500

/** The requests to the model so far: how many succeeded, and the failures since the last success. */
const requests = { succeeded: 0, failures: 0, last: "", problem: "" }

/** @param {Response} response */
async function problemOf(response) {
  try {
    const body = await response.text()
    try {
      const { error, message } = JSON.parse(body)
      return String(error?.message ?? error ?? message ?? body)
    } catch {
      return body
    }
  } catch {
    return ""
  }
}

/** Reports failed requests to the model, live. @param {(event: object) => void} tell */
function watchModel(tell) {
  const { fetch } = globalThis
  /** @param {string} problem @param {number | undefined} status @param {Response} [response] */
  const failed = (problem, status, response) => {
    const shown = problem.replace(/\s+/g, " ").trim().slice(0, 300)
    requests.failures += 1
    requests.problem = shown
    requests.last = `The model's server ${status === undefined ? "could not be reached" : `answered ${status}`}${shown === "" ? "." : `: ${shown}`}`
    const seconds = Number(response?.headers.get("retry-after") ?? NaN)
    if (status === undefined || isRetried(status)) {
      tell({
        type: "retry",
        attempt: requests.failures,
        ...(status === undefined ? {} : { status }),
        ...(Number.isFinite(seconds) && seconds >= 0 ? { delayMillis: seconds * 1000 } : {})
      })
    }
    tell({ type: "notice", message: requests.last })
  }
  /** @param {Parameters<typeof fetch>} args */
  const watched = async (...args) => {
    const [input] = args
    const address = input instanceof Request ? input.url : String(input)
    const path = URL.canParse(address) ? new URL(address).pathname : ""
    if (!MODEL_PATHS.test(path)) return fetch(...args)
    try {
      const response = await fetch(...args)
      if (response.ok) {
        requests.succeeded += 1
        requests.failures = 0
        requests.last = ""
      } else failed(await problemOf(response.clone()), response.status, response)
      return response
    } catch (error) {
      const aborted = error instanceof Error && error.name === "AbortError"
      if (!aborted) failed(error instanceof Error ? error.message : String(error), undefined)
      throw error
    }
  }
  globalThis.fetch = Object.assign(watched, fetch)
}

/** Adds the last failure to an error that does not name it. @param {string} error */
const withLastFailure = (error) => {
  const { last, problem } = requests
  return last === "" || (problem !== "" && error.includes(problem)) ? error : `${error} ${last}`.trim()
}

// ---- One query ----

/**
 * Dexter reports its failures in the words of an answer. The same words may be the model's own: they are a failure when
 * the last request to the model failed, when none succeeded, or when Dexter names its part that failed.
 * @param {{ answer: string, refused: boolean, iterations: number, maxIterations: number }} ended
 */
const outcomeOf = ({ answer, iterations, maxIterations, refused }) => {
  const hasFailed =
    requests.failures > 0 || requests.succeeded === 0 || /^Error: \[[\w ]{1,40}\]/.test(answer)
  if (answer.startsWith("Error:") && hasFailed) return "error"
  if (answer.startsWith("Reached maximum iterations") && iterations >= maxIterations) return "max_iterations"
  if (answer.trim() !== "") return "ok"
  return refused ? "denied" : "empty"
}

/** @param {unknown} value @returns {value is string[]} */
const areTexts = (value) => Array.isArray(value) && value.every((item) => typeof item === "string")

/** @param {unknown} value @returns {value is number} */
const isCount = (value) =>
  typeof value === "number" && Number.isInteger(value) && value > 0 && value < 2 ** 31

/** @param {any} request */
function checkRequest(request) {
  if (typeof request !== "object" || request === null || Array.isArray(request)) {
    throw new Problem('The request is not a JSON object. Send one such as {"id": "q1", "query": "…"}.')
  }
  const { allowTools, denyTools = [], id = "q1", memory = true, model, query, session, timeoutMs } = request
  const maxIterations = request.maxIterations ?? Number(process.env.DEXTER_MAX_ITERATIONS ?? 10)
  if (typeof query !== "string" || query.trim() === "") throw new Problem('The request has no "query".')
  for (const [name, value] of Object.entries({ id, model: model ?? "m", session: session ?? "s" })) {
    if (typeof value !== "string" || value === "")
      throw new Problem(`"${name}" of the request is not a text.`)
  }
  for (const [name, value] of Object.entries({ maxIterations, timeoutMs: timeoutMs ?? 1 })) {
    if (!isCount(value)) throw new Problem(`"${name}" is not a whole number of at least 1.`)
  }
  if (!areTexts(denyTools) || !(allowTools === undefined || areTexts(allowTools))) {
    throw new Problem('"allowTools" and "denyTools" of the request are lists of names.')
  }
  return {
    allowTools,
    denyTools,
    id,
    maxIterations,
    memory: memory === true,
    model,
    newSession: request.newSession === true,
    query,
    session,
    timeoutMs
  }
}

/**
 * @param {ReturnType<typeof checkRequest>} request
 * @param {Awaited<ReturnType<typeof load>>} dexter
 * @param {AbortSignal} signal
 */
async function run(request, { Agent, getTools }, signal) {
  const { id, newSession, query, session } = request
  const model = request.model ?? process.env.DEXTER_MODEL ?? (await settingOf("modelId"))
  /** @param {object} event */
  const tell = (event) => emit({ type: "event", id, event })
  watchModel(tell)
  if (session !== undefined && newSession) rmSync(sessionFile(session), { force: true })
  const turns =
    session === undefined ? [] : loadTurns(session, (message) => tell({ type: "notice", message }))
  // The name only decides which tools there are; that of the default model will do.
  const names = getTools(model ?? "gpt-5").map((/** @type {{ name: string }} */ tool) => tool.name)
  const denied = new Set(request.denyTools)
  const allowed = (request.allowTools ?? names).filter((/** @type {string} */ name) => !denied.has(name))
  let refused = false
  const agent = await Agent.create({
    ...(model === undefined ? {} : { model }),
    maxIterations: request.maxIterations,
    memoryEnabled: request.memory,
    signal,
    // Not a name that Dexter knows: its own command line is the only one with a shell and with questions to the user.
    channel: "headless",
    toolAllowlist: allowed,
    // Nobody is there to ask. Without an answer Dexter ends the turn without a word.
    requestToolApproval: async (/** @type {{ tool?: string }} */ { tool } = {}) => {
      if (tool === undefined || allowed.includes(tool)) return "allow-once"
      refused = true
      return "deny"
    }
  })
  let done
  for await (const event of agent.run(query, await historyOf(turns))) {
    if (event.type === "done") done = event
    // Counts of characters, many a second.
    else if (event.type !== "stream_progress") tell(event)
    if (event.type === "tool_denied") refused = true
  }
  if (done === undefined) return { outcome: "crash", answer: "", error: "Dexter ended without an answer." }
  const answer = typeof done.answer === "string" ? done.answer : ""
  const iterations = Number(done.iterations ?? 0)
  const outcome = outcomeOf({ answer, refused, iterations, maxIterations: request.maxIterations })
  if (session !== undefined && outcome === "ok") saveTurns(session, [...turns, { query, answer }])
  return {
    outcome,
    answer: outcome === "ok" ? answer : "",
    ...(outcome === "ok" ? {} : { error: withLastFailure(answer.replace(/^Error: */, "")) }),
    iterations,
    usage: done.tokenUsage ?? null
  }
}

/** A setting of the user's own in Dexter's settings file, which Dexter's agent itself does not look at. @param {string} name */
async function settingOf(name) {
  try {
    const { getSetting } = await inDexter("src/utils/config.ts")
    const value = getSetting(name, undefined)
    return typeof value === "string" && value !== "" ? value : undefined
  } catch {
    return undefined
  }
}

/** @param {string} file */
async function readRequest(file) {
  const source = file === "-" ? await text(process.stdin) : readFileSync(file, "utf8")
  try {
    return JSON.parse(source)
  } catch {
    throw new Problem("The request is not valid JSON. Send one JSON object.")
  }
}

/** @param {string[]} args @returns {Promise<number>} the exit code */
async function handle(args) {
  const started = performance.now()
  const stop = new AbortController()
  const { signal } = stop
  for (const name of /** @type {const} */ (["SIGTERM", "SIGINT"])) {
    process.on(name, () => {
      stop.abort(new Problem(`Stopped by ${name}.`))
      // Dexter may be waiting to try something again, and does not look at the signal then.
      const error = `Stopped by ${name}.`
      setTimeout(() => finish({ outcome: "aborted", answer: "", error: withLastFailure(error) }), 2000)
    })
  }
  let id = "unknown"
  let session
  let told = false
  /** @param {object & { outcome: string }} ended */
  const finish = (ended) => {
    if (told) return
    told = true
    const where = session === undefined ? {} : { sessionId: session }
    const totalMs = Math.round(performance.now() - started)
    // Something of Dexter's keeps the process alive, its watch over its memory files among them.
    write(`${JSON.stringify({ type: "result", id, ...ended, ...where, totalMs })}\n`, () =>
      process.exit(ended.outcome === "ok" ? 0 : 1)
    )
  }
  try {
    if (args.length !== 2 || args[0] !== "--request") {
      throw new Problem('Expected the arguments "--request <file>" or "--health".')
    }
    const request = checkRequest(await readRequest(args[1]))
    ;({ id, session } = request)
    const dexter = await load()
    emit({ type: "ready", protocol: 1, agent: "dexter", version: versionOf(), importMs: dexter.importMs })
    emit({ type: "start", id })
    if (request.timeoutMs !== undefined) {
      setTimeout(() => {
        const error = `Stopped after the time limit of ${request.timeoutMs} ms.`
        stop.abort(new Problem(error))
        setTimeout(() => finish({ outcome: "aborted", answer: "", error: withLastFailure(error) }), 2000)
      }, request.timeoutMs)
    }
    const ended = await run(request, dexter, signal)
    finish(
      signal.aborted
        ? { ...ended, outcome: "aborted", answer: "", error: withLastFailure(signal.reason.message) }
        : ended
    )
  } catch (error) {
    if (!(error instanceof Problem) && !signal.aborted) console.error(error)
    const problem = error instanceof Error ? error.message : String(error)
    if (signal.aborted) {
      finish({ outcome: "aborted", answer: "", error: withLastFailure(signal.reason.message) })
    } else {
      const outcome = error instanceof Problem ? "error" : "crash"
      finish({ outcome, answer: "", error: withLastFailure(problem) })
    }
  }
}

async function health() {
  const runtime =
    process.versions.bun === undefined ? `node ${process.versions.node}` : `bun ${process.versions.bun}`
  const about = { type: "health", agent: "dexter", version: versionOf(), runtime }
  let line
  try {
    const { getTools, importMs } = await load()
    const tools = getTools("gpt-5").map((/** @type {{ name: string }} */ tool) => tool.name)
    line = { ...about, importMs, tools, ok: true }
  } catch (error) {
    line = { ...about, ok: false, error: error instanceof Error ? error.message : String(error) }
  }
  write(`${JSON.stringify(line)}\n`, () => process.exit(line.ok ? 0 : 1))
}

const args = process.argv.slice(2)
if (args[0] === "--health") await health()
else await handle(args)
