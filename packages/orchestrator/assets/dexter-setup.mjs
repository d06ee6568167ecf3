#!/usr/bin/env bun
// @ts-check
/**
 * Installs what Dexter needs, in its checkout, which is the working folder. No script of a package is run: they would
 * compile what Bun does not need and download a browser.
 *
 * One library of Dexter's comes from GitHub by an address of its own. Where that cannot be reached, the release of the
 * same library on the registry takes its place.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const bun = process.argv[2] ?? "bun"
const fallback = "libsignal@6.0.0"

/** @param {string} program @param {string[]} args */
const run = (program, args) => execFileSync(program, args, { stdio: ["ignore", "inherit", "inherit"] })

let failure
try {
  run(bun, ["install", "--frozen-lockfile", "--ignore-scripts", "--production"])
} catch (error) {
  failure = error
}
const library = join("node_modules", "libsignal")
if (failure !== undefined && existsSync("node_modules") && !existsSync(join(library, "package.json"))) {
  console.error(`${library} could not be fetched from GitHub; taking ${fallback} from the registry.`)
  const folder = mkdtempSync(join(tmpdir(), "libsignal-"))
  run("npm", ["pack", "--silent", "--pack-destination", folder, fallback])
  mkdirSync(library, { recursive: true })
  run("tar", ["-xzf", join(folder, "libsignal-6.0.0.tgz"), "-C", library, "--strip-components", "1"])
  rmSync(folder, { recursive: true, force: true })
  failure = undefined
}
if (failure !== undefined) throw failure
