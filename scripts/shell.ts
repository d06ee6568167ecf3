/**
 * Runs shellcheck on every shell script of the packages.
 *
 * shellcheck comes from the system: the package of that name on npm downloads its program from elsewhere. Where it is not
 * installed, bash still checks the syntax, and the rest is skipped.
 */
import { spawnSync } from "node:child_process"
import { readdir } from "node:fs/promises"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

const inside = await readdir(new URL("../packages", import.meta.url), { recursive: true })
const scripts = inside
  .filter((path) => /^[^/]+\/src\/.*\.sh$/.test(path))
  .map((path) => `packages/${path}`)
  .toSorted()

/** Runs a program on scripts and shows what it prints. Returns its exit code; nothing when it is not installed. */
const run = (program: string, args: ReadonlyArray<string>): number | undefined => {
  const { error, status } = spawnSync(program, args, { cwd: root, stdio: "inherit" })
  if (error !== undefined && "code" in error && error.code === "ENOENT") return undefined
  return status ?? 1
}

const checked = run("shellcheck", ["--external-sources", "--source-path=SCRIPTDIR", ...scripts])
if (checked === undefined) {
  process.stdout.write(
    "shellcheck is not installed (apt-get install shellcheck): only the syntax is checked.\n"
  )
  process.exitCode = scripts.some((script) => (run("bash", ["-n", script]) ?? 0) !== 0) ? 1 : 0
} else {
  process.stdout.write(checked === 0 ? `${scripts.length} shell scripts are in order.\n` : "")
  process.exitCode = checked
}
