import { Profile } from "@remote-agent/domain"
import { Duration } from "effect"

/** A program of an npm package of a pinned version, in a folder named by that version. */
const fromNpm = (options: {
  readonly name: string
  readonly npmPackage: string
  readonly version: string
  /** The package's own install script, which newer versions of npm do not run. */
  readonly script?: string
}): Profile.Tool => {
  const { name, npmPackage, script, version } = options
  const folder = `{run}/${name}-${version}`
  return new Profile.Tool({
    name,
    exact: version,
    install: {
      commands: [
        new Profile.ProfileCommand({
          argv: ["npm", "install", "--no-audit", "--no-fund", "--prefix", folder, `${npmPackage}@${version}`],
          timeout: Duration.minutes(10)
        }),
        ...(script === undefined
          ? []
          : [
              new Profile.ProfileCommand({
                argv: ["node", script],
                cwd: `${folder}/node_modules/${npmPackage}`
              })
            ])
      ],
      program: `${folder}/node_modules/.bin/${name}`
    }
  })
}

const limits = { wallTimeout: Duration.minutes(60), idleTimeout: Duration.minutes(10) }

const registry = ["registry.npmjs.org"]

const health = (name: string) =>
  new Profile.ProfileCommand({ argv: [`{run}/bin/${name}`, "--version"], timeout: Duration.minutes(1) })

/** Claude Code. A limit of money becomes its own flag; an MCP configuration is an asset and two arguments more. */
export const claudeCode = new Profile.Profile({
  name: "claude-code",
  description: "Claude Code, a coding agent; needs ANTHROPIC_API_KEY and ENABLE_CLAUDE_CODE",
  trusted: false,
  enabledBy: "ENABLE_CLAUDE_CODE",
  work: "{home}/work",
  assets: [],
  needs: [
    new Profile.Tool({ name: "node", min: "18.0.0" }),
    fromNpm({
      name: "claude",
      npmPackage: "@anthropic-ai/claude-code",
      version: "2.1.330",
      script: "install.cjs"
    })
  ],
  env: [
    new Profile.EnvRule({ name: "ANTHROPIC_API_KEY", secret: true, required: true }),
    new Profile.EnvRule({ name: "ANTHROPIC_BASE_URL" }),
    // Its own ten retries take three minutes to say that a key is wrong.
    new Profile.EnvRule({ name: "CLAUDE_CODE_MAX_RETRIES", value: "2" }),
    new Profile.EnvRule({ name: "DISABLE_AUTOUPDATER", from: [], value: "1" }),
    new Profile.EnvRule({ name: "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", from: [], value: "1" }),
    new Profile.EnvRule({ name: "IS_SANDBOX", from: [], value: "1" })
  ],
  setup: [],
  health: health("claude"),
  run: new Profile.RunSpec({
    argv: [
      "{run}/bin/claude",
      "-p",
      "--output-format",
      "stream-json",
      "--verbose",
      "--bare",
      "--allowedTools",
      "Bash Edit Read Write"
    ],
    input: "stdin-text",
    modelArgv: ["--model", "{model}"],
    iterationsArgv: ["--max-turns", "{maxIterations}"],
    budgetArgv: ["--max-budget-usd", "{budgetUsd}"],
    resumeArgv: ["--resume", "{session}"],
    protocol: "claude-stream-json",
    ...limits
  }),
  session: new Profile.SessionSpec({ kind: "agent-id", files: ["{home}/.claude/projects"] }),
  egress: { setup: registry, run: ["api.anthropic.com"] },
  cacheable: true
})

// A provider of its own: the one that comes with Codex wants a login, and does not read a key from the environment.
const codexConfig = `model_provider = "key"

[model_providers.key]
name = "OpenAI"
base_url = "https://api.openai.com/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
`

/** Codex. It has no limit of money or steps of its own. */
export const codex = new Profile.Profile({
  name: "codex",
  description: "Codex, a coding agent; needs OPENAI_API_KEY",
  trusted: false,
  work: "{home}/work",
  assets: [new Profile.Asset({ path: "{home}/.codex/config.toml", content: codexConfig })],
  needs: [
    new Profile.Tool({ name: "node", min: "16.0.0" }),
    fromNpm({ name: "codex", npmPackage: "@openai/codex", version: "0.169.0" })
  ],
  env: [new Profile.EnvRule({ name: "OPENAI_API_KEY", secret: true, required: true })],
  setup: [],
  health: health("codex"),
  run: new Profile.RunSpec({
    // The sandbox is ours: one more inside it would need rights that it does not have.
    argv: [
      "{run}/bin/codex",
      "exec",
      "--json",
      "--skip-git-repo-check",
      "--dangerously-bypass-approvals-and-sandbox"
    ],
    input: "stdin-text",
    modelArgv: ["-m", "{model}"],
    resumeArgv: ["resume", "{session}", "-"],
    protocol: "codex-jsonl",
    ...limits
  }),
  session: new Profile.SessionSpec({ kind: "agent-id", files: ["{home}/.codex/sessions"] }),
  egress: { setup: registry, run: ["api.openai.com"] },
  cacheable: true
})

/** opencode. A model is `provider/model`; more providers go into an `opencode.json` in the work folder, an asset. */
export const opencode = new Profile.Profile({
  name: "opencode",
  description: "opencode, a coding agent; needs a key for a language model",
  trusted: false,
  work: "{home}/work",
  assets: [],
  needs: [
    new Profile.Tool({ name: "node", min: "18.0.0" }),
    fromNpm({ name: "opencode", npmPackage: "opencode-ai", version: "1.18.33", script: "postinstall.mjs" })
  ],
  env: [
    new Profile.EnvRule({ name: "ANTHROPIC_API_KEY", secret: true, group: "llm" }),
    new Profile.EnvRule({ name: "OPENAI_API_KEY", secret: true, group: "llm" }),
    new Profile.EnvRule({ name: "OPENROUTER_API_KEY", secret: true, group: "llm" }),
    new Profile.EnvRule({ name: "OPENCODE_DISABLE_AUTOUPDATE", from: [], value: "true" })
  ],
  setup: [],
  health: health("opencode"),
  run: new Profile.RunSpec({
    argv: ["{run}/bin/opencode", "run", "--format", "json", "--auto"],
    input: "stdin-text",
    modelArgv: ["-m", "{model}"],
    resumeArgv: ["-s", "{session}"],
    protocol: "opencode-json",
    ...limits
  }),
  session: new Profile.SessionSpec({ kind: "agent-id", files: ["{home}/.local/share/opencode"] }),
  egress: { setup: registry, optional: ["models.dev"], run: ["api.anthropic.com", "api.openai.com"] },
  cacheable: true
})

/**
 * A program of the user's own, to build on: it reads the question on standard input, and what it prints is the
 * answer. Give it as an asset at `{run}/agent`, or change `run.argv` and `health.argv`.
 */
export const custom = new Profile.Profile({
  name: "custom",
  description: "A program of your own: the asset {run}/agent, or another run.argv; its output is the answer",
  trusted: false,
  work: "{home}/work",
  assets: [],
  setup: [],
  health: new Profile.ProfileCommand({ argv: ["test", "-x", "{run}/agent"] }),
  run: new Profile.RunSpec({
    argv: ["{run}/agent"],
    input: "stdin-text",
    protocol: "text",
    wallTimeout: Duration.minutes(15),
    idleTimeout: Duration.minutes(5)
  })
})
