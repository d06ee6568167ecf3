#!/usr/bin/env bun
// @ts-check
/**
 * Installs Dexter's dependencies in its checkout, which is the working folder. It may run any number of times. Scripts
 * of packages do not run: they would compile what Bun does not need and download a browser.
 *
 * One library of Dexter's comes from an address at GitHub. Where that cannot be reached, the release of the same library
 * on the registry takes its place, and keeps it when the installation runs again.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"

const bun = process.argv[2] ?? "bun"
const fallback = "libsignal@6.0.0"
const library = join("node_modules", "libsignal")

/** Holds the caches of the package managers and files on their way. It goes at the end. */
const work = mkdtempSync(join(process.cwd(), "..", ".dexter-setup-"))
const env = {
  ...process.env,
  BUN_INSTALL_CACHE_DIR: join(work, "bun"),
  npm_config_cache: join(work, "npm")
}

/** Runs a program and shows its output. Returns its exit code and what it printed. @param {string} program @param {string[]} args */
const run = (program, args) => {
  const { error, status, stderr, stdout } = spawnSync(program, args, {
    env,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024
  })
  if (error !== undefined) throw error
  process.stdout.write(stdout)
  process.stderr.write(stderr)
  return { status, output: `${stdout}\n${stderr}` }
}

/** @param {string} program @param {string[]} args */
const must = (program, args) => {
  const { status } = run(program, args)
  if (status !== 0) throw new Error(`${program} ${args[0]} ended with exit code ${status}.`)
}

const isInstalled = (/** @type {string} */ name) => existsSync(join("node_modules", name, "package.json"))

/** Whether everything but that one library was installed. @param {string} output */
const lacksOnlyTheLibrary = (output) => {
  const { dependencies = {} } = JSON.parse(readFileSync("package.json", "utf8"))
  const named = output.split("\n").some((line) => /^\s*error\b.*libsignal/i.test(line))
  return (
    existsSync("node_modules") &&
    (named || !isInstalled("libsignal")) &&
    Object.keys(dependencies).every((name) => name === "libsignal" || isInstalled(name))
  )
}

const takeFallback = () => {
  console.error(`${library} could not be fetched from GitHub; taking ${fallback} from the registry.`)
  must("npm", ["pack", "--silent", "--pack-destination", work, fallback])
  // Unpacked elsewhere first: the library is there as a whole or not at all.
  const unpacked = join(work, "libsignal")
  mkdirSync(unpacked)
  must("tar", ["-xzf", join(work, "libsignal-6.0.0.tgz"), "-C", unpacked, "--strip-components", "1"])
  rmSync(library, { recursive: true, force: true })
  renameSync(unpacked, library)
}

try {
  const installed = run(bun, ["install", "--frozen-lockfile", "--ignore-scripts", "--production"])
  if (installed.status !== 0) {
    if (!lacksOnlyTheLibrary(installed.output)) {
      throw new Error(`bun install ended with exit code ${installed.status}.`)
    }
    if (!isInstalled("libsignal")) takeFallback()
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
