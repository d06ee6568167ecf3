import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

/**
 * An agent that the runner finds where it finds Dexter's, with the same interface, and that asks a model in the same
 * language. It does what Dexter does where the runner has to care: it reads a `.env` of the folder that it is loaded
 * in, prints to standard output, keeps the process alive, and tells of failures in the words of an answer.
 */
const agent = `import { AIMessage, HumanMessage } from "@langchain/core/messages"
import { existsSync, readFileSync } from "node:fs"
import { getTools } from "../tools/registry.ts"

if (existsSync(".env")) {
  for (const line of readFileSync(".env", "utf8").split("\\n")) {
    const [name, value] = line.split("=")
    if (value !== undefined) process.env[name] = value
  }
}
const skills = existsSync(".dexter/skills/tone/SKILL.md") ? readFileSync(".dexter/skills/tone/SKILL.md", "utf8") : ""
setInterval(() => {}, 60_000)

export class Agent {
  config
  constructor(config) {
    this.config = config
  }
  static async create(config = {}) {
    console.log("\\u001b[36mcreating\\u001b[0m")
    process.stdout.write("{\\"type\\":\\"result\\",\\"outcome\\":\\"ok\\",\\"answer\\":\\"not from the runner\\"}\\n")
    return new Agent(config)
  }
  async *run(query, history) {
    const { channel, maxIterations = 10, model = "gpt-4.1", requestToolApproval, signal, toolAllowlist } = this.config
    const started = performance.now()
    // Where it works now, and not where it was loaded, as its skills.
    const rules = existsSync(".dexter/RULES.md") ? readFileSync(".dexter/RULES.md", "utf8") : ""
    const earlier = history === undefined ? [] : history.getRecentTurnsAsMessages()
    for (const message of earlier) {
      if (!(message instanceof HumanMessage || message instanceof AIMessage)) throw new Error("a message of another copy")
    }
    const messages = [
      { role: "system", content: "channel " + channel + " in " + process.cwd() + " " + skills + " " + rules },
      ...earlier.map((message) => ({ role: message instanceof HumanMessage ? "user" : "assistant", content: message.content })),
      { role: "user", content: query }
    ]
    const tools = getTools(model).filter(({ name }) => toolAllowlist === undefined || toolAllowlist.includes(name))
    const usage = { inputTokens: 0, outputTokens: 0, totalTokens: 0 }
    const done = (answer, iterations) => ({ type: "done", answer, toolCalls: [], iterations, totalTime: performance.now() - started, tokenUsage: usage })
    for (let iteration = 1; iteration <= maxIterations; iteration++) {
      yield { type: "stream_progress", charDelta: 1, mode: "thinking" }
      let response
      try {
        response = await fetch(process.env.OPENAI_BASE_URL + "/chat/completions", {
          method: "POST",
          signal,
          headers: { "content-type": "application/json", authorization: "Bearer " + process.env.OPENAI_API_KEY },
          body: JSON.stringify({ model, messages, tools: tools.map((tool) => ({ type: "function", function: { name: tool.name } })) })
        })
      } catch (error) {
        yield done("Error: [LLM] " + error.message, iteration)
        return
      }
      const body = await response.json()
      if (!response.ok) {
        yield done("Error: [LLM] " + body.error.message, iteration)
        return
      }
      usage.inputTokens += body.usage.prompt_tokens
      usage.outputTokens += body.usage.completion_tokens
      const { message } = body.choices[0]
      messages.push(message)
      if (message.tool_calls === undefined) {
        yield done(message.content, iteration)
        return
      }
      if (message.content) yield { type: "thinking", message: message.content }
      for (const call of message.tool_calls) {
        const [name, args] = [call.function.name, JSON.parse(call.function.arguments)]
        const approved = await requestToolApproval?.({ tool: name, args })
        if (approved !== "allow-once") {
          yield { type: "tool_denied", tool: name, args }
          yield done("", iteration)
          return
        }
        yield { type: "tool_start", tool: name, args, toolCallId: call.id }
        const tool = tools.find((one) => one.name === name)
        const result = tool === undefined ? undefined : await tool.invoke(args)
        yield result === undefined
          ? { type: "tool_error", tool: name, error: "not found", toolCallId: call.id }
          : { type: "tool_end", tool: name, args, result, duration: 1, toolCallId: call.id }
        messages.push({ role: "tool", tool_call_id: call.id, content: result ?? "not found" })
      }
    }
    yield done("Reached maximum iterations (" + maxIterations + ").", maxIterations)
  }
}
`

const registry = `import { writeFileSync } from "node:fs"
const price = { name: "get_market_data", invoke: async ({ ticker }) => JSON.stringify({ ticker, price: 271.5 }) }
const write = { name: "write_file", invoke: async ({ path, content }) => { writeFileSync(path, content); return "written" } }
export const getTools = () => [price, write]
`

const core = `export class HumanMessage { constructor(content) { this.content = content } }
export class AIMessage { constructor(content) { this.content = content } }
`

const files = (version: string): Readonly<Record<string, string>> => ({
  "package.json": JSON.stringify({ name: "dexter-ts", version, type: "module" }),
  "src/agent/agent.ts": agent,
  "src/tools/registry.ts": registry,
  "src/utils/config.ts": "export const getSetting = (_name, fallback) => fallback\n",
  "node_modules/@langchain/core/package.json": JSON.stringify({
    name: "@langchain/core",
    type: "module",
    exports: { "./messages": "./messages.js" }
  }),
  "node_modules/@langchain/core/messages.js": core
})

const python = `import os
class Agent:
    def __init__(self, max_steps=20, max_steps_per_task=5, model="gpt-4.1"):
        self.said = f"{max_steps} steps, {max_steps_per_task} for a task"
    def run(self, query):
        print("\\x1b[36m| working\\r", end="")
        os.write(1, b'{"type":"result","outcome":"ok","answer":"not from the runner"}\\n')
        if query == "fail":
            raise ValueError("no")
        return None if query == "nothing" else f"{self.said}: “{query}”"
`

const identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]

/** A bare repository with the tags `v1.0.3`, `v1.0.4`, `python`, and `broken`, whose code cannot be
 * loaded. */
export const make = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "dexter-"))
    const work = join(folder, "work")
    const git = (...args: ReadonlyArray<string>) =>
      execFileSync("git", ["-C", work, ...identity, ...args], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"]
      }).trim()
    const commit = (tag: string, contents: Readonly<Record<string, string>>) => {
      for (const [path, content] of Object.entries(contents)) {
        mkdirSync(dirname(join(work, path)), { recursive: true })
        writeFileSync(join(work, path), content)
      }
      git("add", "--force", ".")
      git("commit", "--quiet", "-m", tag)
      git("tag", tag)
    }
    mkdirSync(work)
    git("init", "--quiet", "--initial-branch", "main")
    commit("v1.0.3", files("1.0.3"))
    commit("v1.0.4", files("1.0.4"))
    const head = git("rev-parse", "HEAD")
    commit("python", { "src/dexter/__init__.py": "", "src/dexter/agent.py": python })
    commit("broken", { "src/agent/agent.ts": "this does not parse" })
    const bare = join(folder, "dexter.git")
    execFileSync("git", ["clone", "--quiet", "--bare", work, bare], { stdio: "ignore" })
    return { folder, repository: `file://${bare}`, head }
  }),
  ({ folder }) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)
