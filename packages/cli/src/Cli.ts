import { Effect } from "effect"
import { CliConfig, CliOutput, Command, Completions, GlobalFlag, TerminalCapabilities } from "effect/cli"
import { aliased, withText } from "./commandLine.ts"
import { fork } from "./commands/agent/fork.ts"
import { health } from "./commands/agent/health.ts"
import { info } from "./commands/agent/info.ts"
import { label } from "./commands/agent/label.ts"
import { launch } from "./commands/agent/launch.ts"
import { list } from "./commands/agent/list.ts"
import { pause } from "./commands/agent/pause.ts"
import { rename } from "./commands/agent/rename.ts"
import { resume } from "./commands/agent/resume.ts"
import { terminate } from "./commands/agent/terminate.ts"
import { update } from "./commands/agent/update.ts"
import { CommandTree, HelpPages } from "./commands/completion/CommandTree.ts"
import { completions } from "./commands/completion/completion.ts"
import { help } from "./commands/help/help.ts"
import { version as versionCommand } from "./commands/help/version.ts"
import { daemon } from "./commands/local/daemon.ts"
import { serve as localServe } from "./commands/local/serve.ts"
import { status as localStatus } from "./commands/local/status.ts"
import { stop as localStop } from "./commands/local/stop.ts"
import { create as poolCreate } from "./commands/pool/create.ts"
import { list as poolList } from "./commands/pool/list.ts"
import { resize as poolResize } from "./commands/pool/resize.ts"
import { run as poolRun } from "./commands/pool/run.ts"
import { terminate as poolTerminate } from "./commands/pool/terminate.ts"
import { answer } from "./commands/query/answer.ts"
import { ask } from "./commands/query/ask.ts"
import { cancel } from "./commands/query/cancel.ts"
import { cost } from "./commands/query/cost.ts"
import { demo } from "./commands/query/demo.ts"
import { logs } from "./commands/query/logs.ts"
import { queries } from "./commands/query/queries.ts"
import { query } from "./commands/query/query.ts"
import { wait } from "./commands/query/wait.ts"
import { branch } from "./commands/repository/branch.ts"
import { commit } from "./commands/repository/commit.ts"
import { diff } from "./commands/repository/diff.ts"
import { create as issueCreate } from "./commands/repository/issue/create.ts"
import { list as issueList } from "./commands/repository/issue/list.ts"
import { create as prCreate } from "./commands/repository/pr.ts"
import { publish } from "./commands/repository/publish.ts"
import { pull } from "./commands/repository/pull.ts"
import { push } from "./commands/repository/push.ts"
import { create as webhookCreate } from "./commands/repository/webhook/create.ts"
import { remove as webhookDelete } from "./commands/repository/webhook/delete.ts"
import { list as webhookList } from "./commands/repository/webhook/list.ts"
import { ping as webhookPing } from "./commands/repository/webhook/ping.ts"
import { serve as webhookServe } from "./commands/repository/webhook/serve.ts"
import { cancel as runCancel } from "./commands/run/cancel.ts"
import { list as runList } from "./commands/run/list.ts"
import { pause as runPause } from "./commands/run/pause.ts"
import { results as runResults } from "./commands/run/results.ts"
import { resume as runResume } from "./commands/run/resume.ts"
import { start as runStart } from "./commands/run/start.ts"
import { status as runStatus } from "./commands/run/status.ts"
import { watch as runWatch } from "./commands/run/watch.ts"
import { create as scheduleCreate } from "./commands/schedule/create.ts"
import { remove as scheduleDelete } from "./commands/schedule/delete.ts"
import { history as scheduleHistory } from "./commands/schedule/history.ts"
import { list as scheduleList } from "./commands/schedule/list.ts"
import { pause as schedulePause } from "./commands/schedule/pause.ts"
import { resume as scheduleResume } from "./commands/schedule/resume.ts"
import { run as scheduleRun } from "./commands/schedule/run.ts"
import { watch as scheduleWatch } from "./commands/schedule/watch.ts"
import { drain as workerDrain } from "./commands/worker/drain.ts"
import { list as workerList } from "./commands/worker/list.ts"
import { worker } from "./commands/worker/worker.ts"
import { cp } from "./commands/sandbox/cp/cp.ts"
import { exec } from "./commands/sandbox/exec.ts"
import { shell } from "./commands/sandbox/shell.ts"
import { check } from "./commands/settings/configCheck.ts"
import { show } from "./commands/settings/configShow.ts"
import { doctor } from "./commands/settings/doctor/doctor.ts"
import { init } from "./commands/settings/init.ts"
import { profiles } from "./commands/settings/profiles.ts"
import { show as profilesShow } from "./commands/settings/profilesShow.ts"
import { mcp } from "./commands/serve/mcp.ts"
import { serve } from "./commands/serve/serve.ts"
import { create as tokenCreate } from "./commands/serve/token/create.ts"
import { list as tokenList } from "./commands/serve/token/list.ts"
import { revoke as tokenRevoke } from "./commands/serve/token/revoke.ts"
import { trust } from "./commands/settings/trust.ts"
import { group } from "./commands/shared/command.ts"
import { quiet, server, tokenFile, trust as trusts, verbose } from "./commands/shared/flags.ts"
import { exportState } from "./commands/state/export.ts"
import { importState } from "./commands/state/import.ts"
import { reap } from "./commands/state/reap.ts"
import { CommandHost } from "./process/CommandHost.ts"
import { exitCode } from "./ui/ExitCode.ts"
import { Ended, Usage } from "./ui/Failure.ts"
import { toJson, toLines } from "./ui/failureText.ts"
import { helpText } from "./ui/text/helpText.ts"
import { line, type Output, red, Screen } from "./ui/Screen.ts"
import { jsonText } from "./ui/plainText.ts"
import { version } from "./version.ts"

const pool = group("pool", "Pools of agents that share the questions they are asked", [
  poolRun,
  poolCreate,
  poolList,
  poolResize,
  poolTerminate
])
const runs = group("run", "Durable runs of many questions, which survive every crash", [
  runStart,
  runStatus,
  runWatch,
  runResults,
  runResume,
  runPause,
  runCancel,
  runList
])
const schedule = group("schedule", "Runs at the times of a cron expression", [
  scheduleCreate,
  scheduleList,
  scheduleHistory,
  schedulePause,
  scheduleResume,
  scheduleRun,
  scheduleWatch,
  scheduleDelete
])
const pr = group("pr", "Pull requests with the changes of agents", [prCreate])
const issue = group("issue", "Issues of a repository", [issueCreate, issueList])
const webhook = group("webhook", "Webhooks of a repository, and a receiver for them", [
  webhookServe,
  webhookCreate,
  webhookList,
  webhookPing,
  webhookDelete
])
const token = group("token", "Access tokens of the servers of a state", [tokenCreate, tokenList, tokenRevoke])
const state = group("state", "Export and import the records of agents", [exportState, importState])
const config = group("config", "Show and check the settings", [show, check])
const local = group("local", "The server of sandboxes on this machine, for any E2B program", [
  localServe,
  localStatus,
  localStop,
  daemon
])

/**
 * All commands.
 *
 * @category commands
 * @since 0.1.0
 */
export const root = Command.make("remote-agent").pipe(
  Command.withDescription(
    "Runs research and coding agents in isolated sandboxes, and never leaves a sandbox behind"
  ),
  Command.withSubcommands([
    {
      group: "questions",
      commands: [
        ask,
        runs,
        schedule,
        worker.pipe(Command.withSubcommands([workerList, workerDrain])),
        pool,
        demo
      ]
    },
    {
      group: "agents that stay",
      commands: [
        launch,
        fork,
        query,
        queries,
        answer,
        wait,
        logs,
        cancel,
        list,
        info,
        pause,
        resume,
        terminate,
        update,
        health,
        rename,
        label,
        profiles.pipe(Command.withSubcommands([profilesShow]))
      ]
    },
    { group: "inside a sandbox", commands: [exec, shell, cp] },
    { group: "repositories", commands: [diff, pr, publish, branch, commit, push, pull, issue, webhook] },
    { group: "a server", commands: [serve, token, mcp] },
    { group: "state and costs", commands: [cost, state, reap] },
    {
      group: "this machine",
      commands: [init, trust, config, doctor, completions, local, help, versionCommand]
    }
  ]),
  Command.withExamples([
    { command: 'remote-agent ask "What was Tesla\'s revenue in 2024?"', description: "One question" },
    { command: "remote-agent launch --profile claude-code --name dev", description: "An agent that stays" },
    { command: 'remote-agent query dev "Write tests for the parser"', description: "Ask it" }
  ]),
  Command.withGlobalFlags([server, tokenFile, quiet, verbose, trusts])
)

const tree = () => Completions.fromCommand(root)

/** One way to completions: the command `completions`, which also completes names. */
const cliConfig = CliConfig.make({
  builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Wizard, GlobalFlag.LogLevel]
})

const wordsOf = ({ errors }: CliOutput.Presenter.InvalidInvocation): string =>
  errors
    .map(({ message }) =>
      message.trim().replace(/Expected: Schema validation failed: (?:Expected )?/, "Expected ")
    )
    .join("\n")

/** What is wrong with a command line, and where to look. The whole help would push it off the screen. */
const usageText = (output: Output, event: CliOutput.Presenter.InvalidInvocation): string =>
  `${red(output, wordsOf(event).replaceAll(/\n\n+/g, "\n"))}\n  See \`${event.commandPath.join(" ")} --help\`.`

/** Prints help on stdout when it was asked for, and the mistakes of a command line on stderr. */
const presenter = (asJson: boolean) =>
  Effect.map(Screen, ({ err, out }): CliOutput.Presenter => ({
    present: (event) => {
      switch (event._tag) {
        case "Version":
          return line(out, event.version)
        case "Help":
          return line(out, helpText(event.helpDoc, out))
        case "InvalidInvocation": {
          const document = jsonText(toJson(new Usage({ message: wordsOf(event) })))
          return Effect.andThen(asJson ? line(out, document) : Effect.void, line(err, usageText(err, event)))
        }
      }
    }
  }))

/** The exit code for a wrong command line: a command with the exit code of a process has one of its own. */
const usageCode = (args: ReadonlyArray<string>): number => {
  const name = args.find((word) => !word.startsWith("-")) ?? ""
  return name === "exec" || name === "shell" ? exitCode.beside : exitCode.usage
}

/** Whether `--wizard` is given. The arguments after `--` belong to another program. */
const wantsWizard = (args: ReadonlyArray<string>): boolean => {
  const end = args.indexOf("--")
  return args.slice(0, end === -1 ? undefined : end).includes("--wizard")
}

/**
 * Runs the command that the arguments name. Fails with `Ended`, which carries the exit code, unless it succeeds.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const [{ err, out }, { interactive }] = [yield* Screen, yield* CommandHost]
  if (wantsWizard(args) && !interactive) {
    const usage = new Usage({ message: "--wizard needs a terminal to ask questions on. Give the flags." })
    if (args.includes("--json")) yield* line(out, jsonText(toJson(usage)))
    yield* line(err, red(err, toLines(usage).join("\n")))
    return yield* new Ended({ code: exitCode.usage })
  }
  const parsed = (words: ReadonlyArray<string>) =>
    Command.runWith(root, { version })(words).pipe(
      Effect.catchTag("ShowHelp", ({ errors }) =>
        errors.length === 0 ? Effect.void : Effect.fail(new Ended({ code: usageCode(args) }))
      ),
      Effect.provideService(CommandTree, Effect.sync(tree))
    )
  const context = yield* Effect.context<Exclude<Effect.Services<ReturnType<typeof parsed>>, HelpPages>>()
  const helpPages: HelpPages["Service"] = (words) =>
    parsed([...words, "--help"]).pipe(
      Effect.mapError((error) => (error._tag === "Ended" ? error : new Ended({ code: exitCode.usage }))),
      Effect.provideService(HelpPages, helpPages),
      Effect.provideContext(context)
    )
  return yield* parsed(withText(aliased(args), tree)).pipe(
    Effect.provideService(HelpPages, helpPages),
    Effect.provideService(CliOutput.Presenter, yield* presenter(args.includes("--json"))),
    Effect.provideService(CliConfig.CliConfig, cliConfig),
    Effect.provideService(TerminalCapabilities.TerminalCapabilities, {
      canAnimate: err.live,
      canColor: err.colors,
      canPrompt: false
    })
  )
})
