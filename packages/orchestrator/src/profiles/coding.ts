import { Profile } from "@remote-agent/domain"
import { Duration } from "effect"
import * as Npm from "./npm.ts"

/** Installs a program from a pinned version of an npm package, into a folder named after the version. */
const fromNpm = (options: {
  readonly name: string
  readonly npmPackage: string
  readonly version: string
  /** The install script of the package. Newer versions of npm do not run it. */
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
          argv: Npm.install(folder, `${npmPackage}@${version}`),
          timeout: Duration.minutes(10)
        }),
        Npm.removeCache,
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

/**
 * The profile of Claude Code.
 *
 * **Details**
 *
 * A budget in dollars becomes its own flag. An MCP configuration is an asset and two more arguments.
 *
 * @category profiles
 * @since 0.1.0
 */
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
    // Ten retries, its default, take three minutes to report a wrong key.
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

// A separate provider: the built-in one asks for a login and does not read a key from the environment.
const codexConfig = `model_provider = "key"

[model_providers.key]
name = "OpenAI"
base_url = "https://api.openai.com/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
`

/**
 * The profile of Codex, which has no limits of its own for money or steps.
 *
 * @category profiles
 * @since 0.1.0
 */
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
    // A sandbox inside the sandbox would need rights that it does not have.
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

/**
 * The profile of opencode.
 *
 * **Details**
 *
 * A model is written `provider/model`. More providers go into an asset `opencode.json` in the work folder.
 *
 * @category profiles
 * @since 0.1.0
 */
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
 * The profile of a program of the user, as a base for others.
 *
 * **Details**
 *
 * The program reads the query on standard input, and its output is the answer. Add it as the asset `{run}/agent`, or
 * change `run.argv` and `health.argv`.
 *
 * @category profiles
 * @since 0.1.0
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
