import { RemoteAgentConfig } from "@remote-agent/domain"
import { DateTime, Effect, FileSystem, Option, Path, Redacted, type Terminal } from "effect"
import { Prompt } from "effect/cli"
import * as DataFolder from "../../app/dataFolder.ts"
import type { Run } from "../../app/Environment.ts"
import * as Settings from "../../app/Settings.ts"
import * as FolderFile from "../../app/trust/FolderFile.ts"
import * as TrustStore from "../../app/trust/TrustStore.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { exitCode } from "../../ui/ExitCode.ts"
import { Ended, Usage } from "../../ui/Failure.ts"
import { dim, line, Screen } from "../../ui/Screen.ts"
import * as TextInput from "../../app/textInput.ts"
import { jsonText } from "../../ui/plainText.ts"
import { command } from "../shared/command.ts"
import * as Flags from "../shared/flags.ts"
import * as InitFiles from "./initFiles.ts"

/** Choices that flags can make in place of prompts. */
interface Choices {
  readonly provider?: string | undefined
  readonly profile?: string | undefined
}

const exampleName = ".env.example"

/** The answers, from prompts or from flags. */
interface Answers {
  readonly chosen: InitFiles.Chosen
  readonly key?: Redacted.Redacted | undefined
}

const asked = Effect.fnUntraced(
  function* ({ profile = "sample", provider }: Choices, hasKey: boolean) {
    const chosen =
      provider ??
      (yield* Prompt.run(
        Prompt.Select({
          message: "Where should sandboxes run?",
          choices: [
            { title: "on this machine", value: "local", description: "no account, no key" },
            { title: "at E2B", value: "e2b", description: "needs an API key from e2b.dev" }
          ]
        })
      ))
    const key =
      chosen === "e2b" && !hasKey
        ? yield* Prompt.run(
            Prompt.Hidden({ message: "Your E2B API key (not shown; leave empty to set E2B_API_KEY later)" })
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

const unasked = ({ profile = "sample", provider = "local" }: Choices): Answers => ({
  chosen: { REMOTE_AGENT_PROVIDER: provider, REMOTE_AGENT_PROFILE: profile }
})

const keyIsSound = (key: Redacted.Redacted) =>
  Option.isSome(RemoteAgentConfig.settings.E2B_API_KEY.decode(Redacted.value(key)))
    ? Effect.void
    : Effect.fail(
        new Usage({
          message: "The key contains spaces or line breaks. Nothing was written; paste it again."
        })
      )

interface Target {
  readonly name: string
  readonly text: string
  readonly mode?: number | undefined
}

const read = (name: string) =>
  Effect.mapError(
    TextInput.ifThere(name),
    () => new Usage({ message: `${name} cannot be read. Check its permissions.` })
  )

/** Writes every file beside its place and then renames all of them, so that no file is ever incomplete. */
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
      () => new Usage({ message: `The files cannot be written to ${cwd}. Check its permissions.` })
    )
  )
})

const isTrusted = (name: string) =>
  Effect.map(Settings.Settings, ({ files }) => files.some((file) => file.name === name && file.trusted))

/** Trusts a file that was written here: the user has just typed what is in it. */
const trusted = Effect.fnUntraced(function* (name: string) {
  const [folder, { cwd }] = [yield* DataFolder.ensure, yield* CommandHost]
  const file = FolderFile.read(cwd, name)
  const at = (yield* DateTime.now).epochMilliseconds
  if (file._tag !== "Found") return
  yield* Effect.ignore(Effect.try(() => TrustStore.add(folder, { path: file.path, hash: file.hash, at })))
})

/** `init`. */
export const init = command({
  name: "init",
  at: "machine",
  description: "Write a commented remote-agent.json and .env.example to this folder",
  flags: {
    provider: Flags.provider,
    profile: Flags.profile,
    force: Flags.onOff("force", "Overwrite files that exist")
  },
  examples: [
    { command: "remote-agent init", description: "Prompt for the settings" },
    { command: "remote-agent init --provider e2b", description: "In a script: no prompts" }
  ],
  run: Effect.fn("init")(function* (flags): Run<Terminal.Terminal> {
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
        message: `${there.join(" and ")} already ${there.length === 1 ? "exists" : "exist"} here. Give --force to overwrite.`
      })
    }
    const hasKey = /^\s*(export\s+)?E2B_API_KEY\s*=\s*\S/m.test(Option.getOrElse(keys, () => ""))
    const { chosen, key } = interactive && !flags.json ? yield* asked(flags, hasKey) : unasked(flags)
    if (key !== undefined) yield* keyIsSound(key)
    const ignoring = InitFiles.ignoringKeys(Option.getOrElse(ignored, () => ""))
    const targets: ReadonlyArray<Target> = [
      { name: Settings.fileName, text: InitFiles.settingsFile(chosen) },
      { name: exampleName, text: InitFiles.keysExample() },
      ...(key === undefined
        ? []
        : [
            {
              name: Settings.keysFileName,
              text: InitFiles.withKey(
                Option.getOrElse(keys, () => ""),
                "E2B_API_KEY",
                Redacted.value(key)
              ),
              mode: 0o600
            }
          ]),
      // One `git add .` would otherwise publish the key.
      ...(ignoring === undefined ? [] : [{ name: ".gitignore", text: ignoring }])
    ]
    const mayTrust = Option.isNone(keys) || (yield* isTrusted(Settings.keysFileName))
    yield* write(targets)
    if (key !== undefined && mayTrust) yield* trusted(Settings.keysFileName)
    const names = targets.map(({ name }) => name)
    if (flags.json) return yield* line(out, jsonText({ written: names }))
    yield* line(out, `Wrote ${names.join(", ")}.`)
    const next = chosen.REMOTE_AGENT_PROVIDER === "e2b" && key === undefined && !hasKey
    yield* line(
      note,
      dim(
        note,
        next ? "Next: put E2B_API_KEY into .env, then run remote-agent doctor." : 'Next: remote-agent ask "…"'
      )
    )
  })
})
