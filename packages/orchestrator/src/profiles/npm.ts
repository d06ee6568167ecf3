import { Profile } from "@remote-agent/domain"

/** The cache of an installation. It is removed afterwards: a setup is kept as a snapshot, which need not hold it. */
const cache = "{run}/.npm-cache"

/**
 * The arguments that install an npm package into a folder of its own.
 *
 * @category commands
 * @since 0.1.0
 */
export const install = (folder: string, npmPackage: string): readonly [string, ...ReadonlyArray<string>] => [
  "npm",
  "install",
  "--no-audit",
  "--no-fund",
  "--cache",
  cache,
  "--prefix",
  folder,
  npmPackage
]

/**
 * Removes the cache of {@link install}.
 *
 * @category commands
 * @since 0.1.0
 */
export const removeCache = new Profile.ProfileCommand({ argv: ["rm", "-rf", cache] })
