import { RemoteAgentConfig } from "@remote-agent/domain"
import { Effect, FileSystem, Option, Path, Redacted, type Terminal } from "effect"
import { Prompt } from "effect/cli"
import { Ended, exitCode, type Run, Usage } from "../../ui/Failure.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { dim, line, Screen } from "../../ui/Screen.ts"
import * as Settings from "../../app/Settings.ts"
import * as SettingsFiles from "./SettingsFiles.ts"
import * as TextFile from "../../ui/textInput.ts"

/** The flags of `init`. */
export interface InitFlags {
  readonly provider?: string | undefined
  readonly profile?: string | undefined
  readonly force: boolean
  readonly json: boolean
}

const exampleName = ".env.example"

/** What was answered, or given by flags. */
interface Answers {
  readonly chosen: SettingsFiles.Chosen
  readonly key?: Redacted.Redacted | undefined
}

const asked = Effect.fnUntraced(
  function* ({ profile = "sample", provider }: InitFlags, hasKey: boolean) {
    const chosen =
      provider ??
      (yield* Prompt.run(
        Prompt.Select({
          message: "Where shall sandboxes run?",
          choices: [
            { title: "on this machine", value: "local", description: "no account, no key" },
            { title: "at E2B", value: "e2b", description: "needs a key of e2b.dev" }
          ]
        })
      ))
    const key =
      chosen === "e2b" && !hasKey
        ? yield* Prompt.run(
            Prompt.Hidden({ message: "Your E2B key (not shown; empty to set E2B_API_KEY later)" })
          )
        : undefined
    const answers: Answers = {
      chosen: { REMOTE_AGENT_PROVIDER: chosen, REMOTE_AGENT_PROFILE: profile },
      key: key === undefined || Redacted.value(key) === "" ? undefined : key
    }
    return answers
  },
  Effect.catchTag("QuitError", () => new Ended({ code: exitCode.interrupted }))
)

const unasked = ({ profile = "sample", provider = "local" }: InitFlags): Answers => ({
  chosen: { REMOTE_AGENT_PROVIDER: provider, REMOTE_AGENT_PROFILE: profile }
})

const keyIsSound = (key: Redacted.Redacted) =>
  Option.isSome(RemoteAgentConfig.settings.E2B_API_KEY.decode(Redacted.value(key)))
    ? Effect.void
    : Effect.fail(
        new Usage({
          message: "The key has blanks or line breaks in it. Nothing was written; paste it again."
        })
      )

interface Target {
  readonly name: string
  readonly text: string
  readonly mode?: number | undefined
}

const read = (name: string) =>
  Effect.mapError(
    TextFile.ifThere(name),
    () => new Usage({ message: `${name} cannot be read. Check who may read it.` })
  )

/** Every file is written beside its place and then moved there, so that none is ever half there. */
const write = Effect.fnUntraced(function* (targets: ReadonlyArray<Target>) {
  const [fs, path, { cwd }] = [yield* FileSystem.FileSystem, yield* Path.Path, yield* CommandHost]
  const staged = targets.map((target) => ({ ...target, draft: path.join(cwd, `${target.name}.new`) }))
  yield* Effect.forEach(
    staged,
    ({ draft, mode = 0o644, text }) => fs.writeFileString(draft, text, { mode }),
    {
      discard: true
    }
  ).pipe(
    Effect.andThen(
      Effect.forEach(staged, ({ draft, name }) => fs.rename(draft, path.join(cwd, name)), { discard: true })
    ),
    Effect.onError(() =>
      Effect.forEach(staged, ({ draft }) => Effect.ignore(fs.remove(draft, { force: true })), {
        discard: true
      })
    ),
    Effect.mapError(
      () => new Usage({ message: `The files cannot be written to ${cwd}. Check who may write there.` })
    )
  )
})

/**
 * Writes a commented `remote-agent.json` and `.env.example` into the folder, asking what it needs when somebody sits
 * at a terminal. A key that is given goes into `.env`, which only the user can read, and is never shown. Files that
 * exist are left alone unless `force` is set.
 */
export const run = Effect.fn("init")(function* (flags: InitFlags): Run<Terminal.Terminal> {
  const [{ note, out }, { interactive }] = [yield* Screen, yield* CommandHost]
  const [settings, example, keys, ignored] = yield* Effect.all([
    read(Settings.fileName),
    read(exampleName),
    read(Settings.keysFileName),
    read(".gitignore")
  ])
  const there = [
    ...(Option.isSome(settings) ? [Settings.fileName] : []),
    ...(Option.isSome(example) ? [exampleName] : [])
  ]
  if (there.length > 0 && !flags.force) {
    return yield* new Usage({
      message: `${there.join(" and ")} ${there.length === 1 ? "is" : "are"} here already. Say --force to write anew.`
    })
  }
  const hasKey = /^\s*(export\s+)?E2B_API_KEY\s*=\s*\S/m.test(Option.getOrElse(keys, () => ""))
  const { chosen, key } = interactive && !flags.json ? yield* asked(flags, hasKey) : unasked(flags)
  if (key !== undefined) yield* keyIsSound(key)
  const ignoring = SettingsFiles.ignoringKeys(Option.getOrElse(ignored, () => ""))
  const targets: ReadonlyArray<Target> = [
    { name: Settings.fileName, text: SettingsFiles.settingsFile(chosen) },
    { name: exampleName, text: SettingsFiles.keysExample() },
    ...(key === undefined
      ? []
      : [
          {
            name: Settings.keysFileName,
            text: SettingsFiles.withKey(
              Option.getOrElse(keys, () => ""),
              "E2B_API_KEY",
              Redacted.value(key)
            ),
            mode: 0o600
          }
        ]),
    // A key in .env is one `git add .` away from everybody.
    ...(ignoring === undefined ? [] : [{ name: ".gitignore", text: ignoring }])
  ]
  yield* write(targets)
  const names = targets.map(({ name }) => name)
  if (flags.json) return yield* line(out, JSON.stringify({ written: names }))
  yield* line(out, `Written: ${names.join(", ")}.`)
  const next = chosen.REMOTE_AGENT_PROVIDER === "e2b" && key === undefined && !hasKey
  yield* line(
    note,
    dim(
      note,
      next ? "Next: put E2B_API_KEY into .env, then remote-agent doctor." : 'Next: remote-agent ask "…"'
    )
  )
})
