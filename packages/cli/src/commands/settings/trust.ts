import { DateTime, Effect, Path } from "effect"
import { Argument, Flag } from "effect/cli"
import * as DataFolder from "../../app/dataFolder.ts"
import type { Run } from "../../app/Environment.ts"
import * as Settings from "../../app/Settings.ts"
import * as FolderFile from "../../app/trust/FolderFile.ts"
import * as TrustStore from "../../app/trust/TrustStore.ts"
import { CommandHost } from "../../process/CommandHost.ts"
import { NotFound, Usage } from "../../ui/Failure.ts"
import { jsonText } from "../../ui/plainText.ts"
import { dim, line, Screen } from "../../ui/Screen.ts"
import { command } from "../shared/command.ts"
import * as Flags from "../shared/flags.ts"

const names = [Settings.keysFileName, Settings.fileName]

const stored = <A>(change: () => A) =>
  Effect.try({
    try: change,
    catch: () =>
      new Usage({ message: "The data folder cannot be written to. Check its permissions and its disk." })
  })

const documentOf = ({ at, hash, path }: TrustStore.Trusted) => ({
  path,
  sha256: hash,
  at: DateTime.formatIso(DateTime.makeUnsafe(at))
})

const printed = Effect.fnUntraced(function* (files: ReadonlyArray<TrustStore.Trusted>, json: boolean) {
  const { note, out } = yield* Screen
  if (files.length === 0) yield* line(note, dim(note, "No file is trusted."))
  yield* Effect.forEach(files, (file) => line(out, json ? jsonText(documentOf(file)) : file.path), {
    discard: true
  })
})

/** Trusts the files of a folder as they are now. */
const add = Effect.fnUntraced(function* (folder: string) {
  const dataFolder = yield* DataFolder.ensure
  const at = (yield* DateTime.now).epochMilliseconds
  const trusted: Array<TrustStore.Trusted> = []
  for (const name of names) {
    const file = FolderFile.read(folder, name)
    if (file._tag === "Absent") continue
    if (file._tag === "Unreadable") {
      return yield* new Usage({ message: `${name} ${file.why}. Check it, or remove it.` })
    }
    trusted.push({ path: file.path, hash: file.hash, at })
  }
  if (trusted.length === 0) {
    return yield* new NotFound({ message: `There is no ${names.join(" and no ")} in ${folder}.` })
  }
  yield* stored(() => {
    for (const file of trusted) TrustStore.add(dataFolder, file)
  })
  return trusted
})

const remove = Effect.fnUntraced(function* (folder: string) {
  const [{ dataFolder }, path] = [yield* CommandHost, yield* Path.Path]
  const found = TrustStore.list(dataFolder).filter((one) => path.dirname(one.path) === folder)
  if (found.length === 0) return yield* new NotFound({ message: `No file in ${folder} is trusted.` })
  yield* stored(() => {
    for (const file of found) TrustStore.remove(dataFolder, file.path)
  })
  return found
})

/** `trust`. */
export const trust = command({
  name: "trust",
  at: "machine",
  description:
    "Trust the remote-agent.json and .env of a folder, as they are now. Trusted files may waive isolation and name programs, addresses, the state, and files outside the folder",
  flags: {
    folder: Argument.Directory("folder", { mustExist: false }).pipe(
      Argument.withDefault("."),
      Argument.withDescription("The folder (default: this folder)")
    ),
    list: Flags.onOff("list", "List the files that are trusted"),
    remove: Flag.Boolean("remove").pipe(
      Flag.withDefault(false),
      Flag.withDescription("No longer trust the files of the folder")
    )
  },
  examples: [
    { command: "remote-agent trust", description: "After you have read the files of this folder" },
    { command: "remote-agent trust --list --json", description: "One file a line" },
    { command: "remote-agent trust --remove ~/project", description: "Ask again" }
  ],
  run: Effect.fn("trust")(function* (flags): Run {
    const [{ note }, { cwd, dataFolder }, path] = [yield* Screen, yield* CommandHost, yield* Path.Path]
    if (flags.list && flags.remove) {
      return yield* new Usage({ message: "--list and --remove exclude each other. Give one of them." })
    }
    if (flags.list) return yield* printed(TrustStore.list(dataFolder), flags.json)
    const folder = FolderFile.realFolder(path.resolve(cwd, flags.folder))
    const changed = yield* flags.remove ? remove(folder) : add(folder)
    yield* printed(changed, flags.json)
    yield* line(note, dim(note, flags.remove ? "No longer trusted." : "Trusted until the content changes."))
  })
})
