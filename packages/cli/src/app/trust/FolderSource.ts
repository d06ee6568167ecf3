import { RemoteAgentConfig } from "@remote-agent/domain"
import { ConfigProvider, Effect } from "effect"
import * as DotEnv from "../dotEnv.ts"
import * as SettingsText from "./SettingsText.ts"

/** The text of every variable of a file, and where it is set. */
export interface Contents {
  readonly values: ReadonlyMap<string, string>
  readonly problems: ReadonlyArray<RemoteAgentConfig.Problem>
  readonly warnings: ReadonlyArray<RemoteAgentConfig.Problem>
  /** Where a setting or a part of one is: `remote-agent.json:3:5`. */
  readonly find: (name: string) => string | undefined
}

/** A file without settings. */
const empty: Contents = { values: new Map(), problems: [], warnings: [], find: () => undefined }

/** Variables of this program that are not settings. They are read from the environment only. */
const otherVariables = ["REMOTE_AGENT_DATA", "REMOTE_AGENT_TRUST"]

const known = [...RemoteAgentConfig.names, ...otherVariables]

const listed = "List every setting with `remote-agent config show`."

/** What an unknown name was probably meant to be. */
const suggestion = (name: string, names: Iterable<string> = known): string | undefined => {
  const meant = DotEnv.meant(name, names)
  return meant === undefined ? undefined : `Did you mean ${meant}?`
}

/**
 * A variable that is not a setting but looks like one. Other programs share the environment and `.env`, so only a name
 * that is close to a setting, or has the prefix of this program, is a mistake.
 */
export const misspelt = (name: string, where: string): ReadonlyArray<RemoteAgentConfig.Problem> => {
  if (known.includes(name)) return []
  const hint = suggestion(name)
  if (hint === undefined && !name.startsWith("REMOTE_AGENT_")) return []
  return [
    new RemoteAgentConfig.Problem({
      name: where,
      problem: `sets ${name}, which is not a setting`,
      hint: hint ?? listed
    })
  ]
}

const isSetting = (name: string): boolean => Object.hasOwn(RemoteAgentConfig.settings, name)

/** The names of settings that a file writes in its own way. */
const aliases: Readonly<Record<string, string>> = {
  profiles: "REMOTE_AGENT_PROFILES",
  limits: "REMOTE_AGENT_LIMITS",
  prices: "REMOTE_AGENT_PRICES"
}

const settingOf = (key: string): string => aliases[key] ?? key

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value))

/** Whether a key is not a setting at all: a comment of older files, or the name of the schema. */
const isNote = (key: string): boolean => key.startsWith("//") || key === "$schema"

/** The contents of a `remote-agent.json`. */
export const fromJson = (text: string, file: string): Contents => {
  if (text.trim() === "") return empty
  const { find, mistake, values } = SettingsText.parse(text)
  const at = ({ column, line }: SettingsText.Position) => `${file}:${line}:${column}`
  if (mistake !== undefined) {
    const problem = new RemoteAgentConfig.Problem({
      name: at(mistake),
      problem: mistake.problem,
      hint: "Correct it. Comments and trailing commas are allowed."
    })
    return { ...empty, problems: [problem] }
  }
  const entries = [...values].filter(([key, value]) => !isNote(key) && value !== null)
  const unknown = entries.filter(([key]) => !isSetting(settingOf(key)))
  const settings = entries
    .filter(([key]) => isSetting(settingOf(key)))
    .map(([key, value]) => [settingOf(key), textOf(value)] as const)
  return {
    warnings: [],
    values: new Map(settings),
    problems: unknown.map(
      ([name]) =>
        new RemoteAgentConfig.Problem({
          name,
          problem: "is not a setting",
          hint: suggestion(name, [...RemoteAgentConfig.names, ...Object.keys(aliases)]) ?? listed,
          where: at(find([name]))
        })
    ),
    find: (name) => {
      const [first = ""] = name.split(".")
      const path = values.has(first)
        ? name.split(/\.|\[\d+\]/).filter((part) => part !== "")
        : Object.keys(aliases).filter((alias) => aliases[alias] === name)
      return values.has(path[0] ?? "") ? at(find(path)) : undefined
    }
  }
}

/** The contents of a `.env`. */
export const fromDotEnv = (text: string, file: string): Contents => {
  const { entries, problems } = DotEnv.parse(text)
  const lines = new Map(entries.map(({ line, name }) => [name, line]))
  return {
    values: new Map(entries.map(({ name, value }) => [name, value])),
    problems: [],
    warnings: [
      ...problems.map(
        ({ hint, line, problem }) => new RemoteAgentConfig.Problem({ name: `${file}:${line}`, problem, hint })
      ),
      ...entries.flatMap(({ line, name }) => misspelt(name, `${file}:${line}`))
    ],
    find: (name) => (lines.has(name) ? `${file}:${lines.get(name)}` : undefined)
  }
}

/** All values as a provider. */
export const provide = (values: ReadonlyMap<string, string>): ConfigProvider.ConfigProvider =>
  ConfigProvider.make(([name, ...rest]) => {
    const value = rest.length === 0 && typeof name === "string" ? values.get(name) : undefined
    return Effect.succeed(value === undefined ? undefined : ConfigProvider.makeValue(value))
  })

/** Variables that lead connections elsewhere. They are looked up wherever there is a connection. */
const isNetwork = (name: string): boolean =>
  /^(?:https?|all|no)_proxy$/i.test(name) || name === "SSL_CERT_FILE" || name === "NODE_EXTRA_CA_CERTS"

/** Keys that agents get, so that the account of the sandbox can read them. */
const isAgentKey = (name: string): boolean => name.endsWith("_API_KEY") && name !== "E2B_API_KEY"

/** What a file sets, and only a user may set. */
export const wanted = (
  values: ReadonlyMap<string, string>,
  isUsers: (name: string) => boolean,
  usersNames: Iterable<string>
): ReadonlyArray<string> =>
  [...values].flatMap(([name, text]) => {
    if (isUsers(name)) return []
    // Sandboxes of a foreign account would get the keys of the user.
    if (name === "E2B_API_KEY" && text.trim() !== "" && [...usersNames].some(isAgentKey)) return [name]
    const all = RemoteAgentConfig.needsTrust(name, text)
    return isSetting(name) || isNetwork(name) ? all : []
  })

/** The problem of a file that wants more than it may. */
export const refusal = (
  file: string,
  names: ReadonlyArray<string>,
  userConfig: string | undefined
): RemoteAgentConfig.Problem => {
  const shown = [...names.slice(0, 4), ...(names.length > 4 ? ["others"] : [])]
  const last = shown.at(-1) ?? ""
  const list = shown.length > 1 ? `${shown.slice(0, -1).join(", ")} and ${last}` : last
  return new RemoteAgentConfig.Problem({
    name: file,
    problem: `sets ${list}, which needs your trust`,
    hint: `Read the file, then run \`remote-agent trust\`. Or set it by a flag, in the environment or in ${userConfig ?? "your own configuration"}.`
  })
}

/** The provider of a file that is not trusted. Reading a value that needs trust fails with the refusal. */
export const restricted = (
  { values }: Contents,
  names: ReadonlyArray<string>,
  refuse: (names: ReadonlyArray<string>) => RemoteAgentConfig.Problem
): ConfigProvider.ConfigProvider => {
  const all = provide(values)
  return ConfigProvider.make((path) => {
    const [name = "", ...rest] = path
    const text = rest.length === 0 && typeof name === "string" ? values.get(name) : undefined
    if (text === undefined || typeof name !== "string" || text.trim() === "") return all.load(path)
    const parts = RemoteAgentConfig.needsTrust(name, text)
    const held = parts.length > 0 ? parts : names.includes(name) ? [name] : []
    if (held.length === 0) return all.load(path)
    // Refused with the whole file already: whatever connects looks these up, and has no way to refuse.
    if (isNetwork(name)) return Effect.undefined
    const cause = refuse(isSetting(name) ? names : held)
    return Effect.fail(new ConfigProvider.SourceError({ message: cause.text, cause }))
  })
}

/** Refused at once, even if no setting is read: variables that lead connections elsewhere. */
export const refusedAtOnce = (names: ReadonlyArray<string>): boolean => names.some(isNetwork)
