/** Checks the shell scripts of all packages with shellcheck, or their syntax alone on a machine that lacks it. */
import { spawnSync } from "node:child_process"
import { globSync } from "node:fs"
import { fileURLToPath } from "node:url"

const cwd = fileURLToPath(new URL("..", import.meta.url))
const files = globSync("packages/*/src/**/*.sh", { cwd }).toSorted()

const run = (program: string, args: ReadonlyArray<string>) =>
  spawnSync(program, args, { cwd, stdio: "inherit" })

const checked = run("shellcheck", files)
if (checked.error === undefined) {
  process.exitCode = checked.status ?? 1
} else {
  console.log("shellcheck is not installed, so only the syntax of the shell scripts was checked.")
  process.exitCode = files.filter((file) => run("sh", ["-n", file]).status !== 0).length
}
