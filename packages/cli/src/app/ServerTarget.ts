import { RemoteAgentConfig } from "@remote-agent/domain"
import { Context, Effect, Redacted } from "effect"
import { Redaction } from "../process/redaction.ts"
import { Usage } from "../ui/Failure.ts"
import * as Settings from "./Settings.ts"
import * as TextInput from "./textInput.ts"

/** The server at which a command works. */
export interface Target {
  readonly url: string
  readonly token: Redacted.Redacted
  /** Whether a flag names it. Otherwise it is that of the settings, which commands of this machine ignore. */
  readonly named: boolean
}

/**
 * The server at which a command works. Absent: it works on this machine.
 *
 * @category references
 * @since 0.2.0
 */
export const ServerTarget: Context.Reference<Target | undefined> = Context.Reference<Target | undefined>(
  "@remote-agent/cli/ServerTarget",
  { defaultValue: () => undefined }
)

/** The flags of every command that name a server. */
export interface Flags {
  readonly server: string | undefined
  readonly tokenFile: string | undefined
}

/** The server that the flags or the settings name. Fails with `Usage` when there is no token for it. */
export const resolve = Effect.fnUntraced(function* ({ server, tokenFile }: Flags, sources: Settings.Sources) {
  const provider = Settings.merged(Settings.preferring("a flag", { REMOTE_AGENT_SERVER: server }, sources))
  const url = yield* RemoteAgentConfig.one("REMOTE_AGENT_SERVER", provider)
  if (url === undefined) return undefined
  const kept = tokenFile === undefined ? undefined : yield* TextInput.file(tokenFile, "token-file")
  const set = yield* RemoteAgentConfig.one("REMOTE_AGENT_TOKEN", provider)
  const text = kept?.trim() ?? (set === undefined ? "" : Redacted.value(set))
  if (text === "") {
    return yield* new Usage({
      message: `There is no token for ${url}. Set REMOTE_AGENT_TOKEN, or give --token-file: \`serve\` prints the file of your own.`
    })
  }
  const { add } = yield* Redaction
  add([text])
  return { url, token: Redacted.make(text), named: server !== undefined } satisfies Target
})

/** Fails with `Usage` when flags say what only the server decides. */
export const checkFlags = Effect.fnUntraced(function* ({ isolation, provider, state }: Settings.AppFlags) {
  const given = Object.entries({ isolation, provider, state }).find(([, value]) => value !== undefined)
  if (given !== undefined) {
    return yield* new Usage({
      message: `The server decides about its sandboxes and its state. Leave --${given[0]} out, or --server.`
    })
  }
})
