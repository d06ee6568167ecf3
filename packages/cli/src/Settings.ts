import { Config } from "@remote-agent/domain"
import { ConfigProvider, Effect, FileSystem, Layer, Option, Path, Schema } from "effect"
import { Host } from "./Host.ts"

const Settings = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

/** The file of settings beside the user's own files. */
const fileName = "remote-agent.json"

const unreadable = (name: string, problem: string, hint: string) =>
  new Config.ConfigError({ problems: [new Config.Problem({ name, problem, hint })] })

const read = Effect.fnUntraced(function* (name: string) {
  const [fs, path, { cwd }] = [yield* FileSystem.FileSystem, yield* Path.Path, yield* Host]
  return yield* fs.readFileString(path.join(cwd, name)).pipe(
    Effect.asSome,
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeedNone),
    Effect.mapError(() => unreadable(name, "cannot be read", "Check who may read it, or remove it."))
  )
})

const fromFile = Effect.fnUntraced(function* () {
  const text = yield* read(fileName)
  if (Option.isNone(text)) return ConfigProvider.fromUnknown({})
  const settings = yield* Effect.mapError(Schema.decodeEffect(Settings)(text.value), () =>
    unreadable(
      fileName,
      "is not a JSON object",
      "Correct it; a comma too many at the end is the usual cause."
    )
  )
  const stranger = Object.keys(settings).find((name) => !Object.hasOwn(Config.variables, name))
  if (stranger !== undefined) {
    const names = Object.keys(Config.variables).join(", ")
    return yield* unreadable(stranger, `in ${fileName} is not a setting`, `The settings are ${names}.`)
  }
  return ConfigProvider.fromUnknown(settings)
})

/**
 * The configuration: flags over the environment over `.env` over `remote-agent.json` over the defaults. Fails with
 * every problem at once.
 */
export const layer = (flags: { readonly [N in Config.Name]?: string | undefined }): Layer.Layer<
  Config.Config,
  Config.ConfigError,
  FileSystem.FileSystem | Path.Path | Host
> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { env } = yield* Host
      const dotEnv = yield* read(".env")
      const sources = [
        ConfigProvider.fromUnknown(flags),
        ConfigProvider.fromUnknown(env),
        ConfigProvider.fromDotEnvContents(Option.getOrElse(dotEnv, () => "")),
        yield* fromFile()
      ]
      return Config.layer.pipe(
        Layer.provide(
          ConfigProvider.layer(sources.reduce((first, second) => ConfigProvider.orElse(first, second)))
        )
      )
    })
  )
