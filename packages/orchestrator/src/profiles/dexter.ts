import { Profile } from "@remote-agent/domain"
import { Duration, Effect } from "effect"
import * as Assets from "./assets.ts"
import * as Npm from "./npm.ts"

const key = (name: string) => new Profile.EnvRule({ name, secret: true })
const llmKey = (name: string) => new Profile.EnvRule({ name, secret: true, group: "llm" })
const setting = (name: string) => new Profile.EnvRule({ name })

const repository = "https://github.com/virattt/dexter.git"

const bun = "{run}/bin/bun"

const places = { DEXTER_HOME: "{source}", DEXTER_WORKDIR: "{work}" }

// `{run}` instead of the work folder: Dexter reads `.env` and skills from the folder that it is started in.
const runner = [bun, "--no-install", "--no-env-file", "{run}/dexter-runner.mjs"] as const

/**
 * The profile of Dexter, the agent for financial research, in TypeScript on Bun.
 *
 * **Details**
 *
 * Dexter has no headless mode, so a runner beside its checkout starts it. Skills of the user go to
 * `{run}/.dexter/skills/<name>/SKILL.md`.
 *
 * @category profiles
 * @since 0.1.0
 */
export const make: Effect.Effect<Profile.Profile> = Effect.gen(function* () {
  const [program, setup] = yield* Effect.all([
    Assets.read("dexter-runner.mjs"),
    Assets.read("dexter-setup.mjs")
  ])
  return new Profile.Profile({
    name: "dexter",
    description: "Dexter, financial research (TypeScript on Bun); needs a key for a language model",
    trusted: false,
    source: new Profile.Source({ repository, ref: "v1.0.4", depth: 1, folder: "{home}/dexter" }),
    work: "{home}/work",
    assets: [
      new Profile.Asset({ path: "{run}/dexter-runner.mjs", content: program }),
      new Profile.Asset({ path: "{run}/dexter-setup.mjs", content: setup })
    ],
    needs: [
      new Profile.Tool({
        name: "bun",
        min: "1.2.0",
        install: {
          commands: [
            new Profile.ProfileCommand({
              argv: Npm.install("{run}/bun-1.4.5", "bun@1.4.5")
            }),
            Npm.removeCache,
            // The install script of the package. Newer versions of npm do not run it.
            new Profile.ProfileCommand({
              argv: ["node", "install.js"],
              cwd: "{run}/bun-1.4.5/node_modules/bun"
            })
          ],
          program: "{run}/bun-1.4.5/node_modules/.bin/bun"
        }
      })
    ],
    env: [
      llmKey("OPENAI_API_KEY"),
      llmKey("ANTHROPIC_API_KEY"),
      llmKey("GOOGLE_API_KEY"),
      llmKey("XAI_API_KEY"),
      llmKey("OPENROUTER_API_KEY"),
      llmKey("MOONSHOT_API_KEY"),
      llmKey("DEEPSEEK_API_KEY"),
      llmKey("OLLAMA_CLOUD_API_KEY"),
      new Profile.EnvRule({ name: "OLLAMA_BASE_URL", group: "llm" }),
      key("FINANCIAL_DATASETS_API_KEY"),
      key("EXASEARCH_API_KEY"),
      key("PERPLEXITY_API_KEY"),
      key("TAVILY_API_KEY"),
      key("LANGSEARCH_API_KEY"),
      key("X_BEARER_TOKEN"),
      // Set explicitly, so that nothing else in the sandbox decides where the keys are sent.
      new Profile.EnvRule({ name: "OPENAI_BASE_URL", value: "https://api.openai.com/v1" }),
      new Profile.EnvRule({ name: "ANTHROPIC_BASE_URL", value: "https://api.anthropic.com" }),
      new Profile.EnvRule({ name: "LANGSMITH_TRACING", from: [], value: "false" }),
      setting("DEXTER_MODEL"),
      new Profile.EnvRule({ name: "DEXTER_MAX_ITERATIONS", from: ["DEXTER_MAX_STEPS"], value: "20" })
    ],
    setup: [
      new Profile.ProfileCommand({
        argv: [bun, "--no-env-file", "{run}/dexter-setup.mjs", bun],
        cwd: "{source}",
        timeout: Duration.minutes(10)
      })
    ],
    health: new Profile.ProfileCommand({
      argv: [...runner, "--health"],
      cwd: "{run}",
      env: places,
      timeout: Duration.minutes(1)
    }),
    healthPath: "$.ok",
    run: new Profile.RunSpec({
      argv: [...runner, "--request", "-"],
      cwd: "{run}",
      env: places,
      input: "stdin-json",
      modelEnv: "DEXTER_MODEL",
      request: {
        denyTools: ["write_file", "edit_file", "bash", "ask_user_question", "browser", "cron", "heartbeat"]
      },
      protocol: "runner-jsonl",
      wallTimeout: Duration.minutes(15),
      idleTimeout: Duration.minutes(5),
      killGrace: Duration.seconds(5)
    }),
    session: new Profile.SessionSpec({ kind: "runner-file", files: ["{work}/.dexter"] }),
    egress: {
      setup: ["registry.npmjs.org"],
      // One library comes from there. The registry replaces it where they cannot be reached.
      optional: ["github.com", "api.github.com", "codeload.github.com"],
      run: [
        "api.openai.com",
        "api.anthropic.com",
        "api.financialdatasets.ai",
        "api.exa.ai",
        "api.perplexity.ai",
        "api.tavily.com",
        "api.x.com"
      ]
    },
    cacheable: true
  })
})

const python = ["{run}/bin/uv", "run", "--frozen", "--project", "{source}", "python"] as const

/**
 * The profile of the last version of Dexter in Python, which is no longer maintained.
 *
 * @category profiles
 * @since 0.1.0
 */
export const makePython: Effect.Effect<Profile.Profile> = Effect.gen(function* () {
  const program = yield* Assets.read("dexter-runner.py")
  return new Profile.Profile({
    name: "dexter-python",
    description:
      "The last Python version of Dexter (December 2025), no longer maintained; needs a key of OpenAI",
    trusted: false,
    source: new Profile.Source({
      repository,
      ref: "1c8adaf3a4ab4cf25c86386e38dc09a81240954a",
      depth: 1,
      folder: "{home}/dexter"
    }),
    work: "{home}/work",
    assets: [new Profile.Asset({ path: "{run}/dexter-runner.py", content: program })],
    needs: [
      new Profile.Tool({
        name: "uv",
        install: {
          commands: [
            new Profile.ProfileCommand({
              argv: [
                "python3",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-cache-dir",
                "--target",
                "{run}/uv",
                "uv"
              ]
            })
          ],
          program: "{run}/uv/bin/uv"
        }
      })
    ],
    env: [
      new Profile.EnvRule({ name: "OPENAI_API_KEY", secret: true, required: true }),
      key("FINANCIAL_DATASETS_API_KEY"),
      setting("OPENAI_BASE_URL"),
      setting("DEXTER_MODEL"),
      new Profile.EnvRule({ name: "DEXTER_MAX_ITERATIONS", from: ["DEXTER_MAX_STEPS"], value: "20" }),
      new Profile.EnvRule({ name: "DEXTER_MAX_STEPS_PER_TASK", value: "5" }),
      new Profile.EnvRule({ name: "LANGSMITH_TRACING", from: [], value: "false" })
    ],
    setup: [
      new Profile.ProfileCommand({
        argv: ["{run}/bin/uv", "sync", "--frozen", "--no-cache"],
        cwd: "{source}",
        timeout: Duration.minutes(10)
      })
    ],
    health: new Profile.ProfileCommand({
      argv: [...python, "-c", "import dexter.agent"],
      timeout: Duration.minutes(1)
    }),
    run: new Profile.RunSpec({
      argv: [...python, "{run}/dexter-runner.py", "-"],
      env: places,
      input: "stdin-json",
      modelEnv: "DEXTER_MODEL",
      protocol: "runner-jsonl",
      wallTimeout: Duration.minutes(15),
      idleTimeout: Duration.minutes(5)
    }),
    session: new Profile.SessionSpec({ kind: "none", files: [] }),
    egress: {
      setup: ["pypi.org", "files.pythonhosted.org"],
      run: ["api.openai.com", "api.financialdatasets.ai"]
    },
    cacheable: true
  })
})
