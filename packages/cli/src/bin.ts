#!/usr/bin/env node
import * as NodeVersion from "./process/NodeVersion.ts"
import { version } from "./version.ts"

const [, , first, kind, prefix = ""] = process.argv
const tooOld = NodeVersion.problem(process.versions.node)

/** The working directory, or undefined when it has been deleted. */
const workingDirectory = (): string | undefined => {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}

// Scripts ask for the version often, and shells complete at every press of Tab. Neither loads the commands.
if (process.argv.length === 3 && first === "--version") process.stdout.write(`${version}\n`)
else if (tooOld !== undefined) {
  process.stderr.write(`${tooOld}\n`)
  process.exitCode = 2
} else {
  const cwd = workingDirectory()
  if (cwd === undefined) {
    process.stderr.write("The working directory no longer exists.\n  Change to a folder that exists.\n")
    process.exitCode = 2
  } else if (first === "__complete") {
    const { complete } = await import("./commands/completion/complete.ts")
    const words = complete(kind, prefix, { cwd, env: process.env })
    process.stdout.write(words.map((word) => `${word}\n`).join(""))
  } else {
    const { enable } = await import("./process/CompileCache.ts")
    enable({ env: process.env, user: process.getuid?.() })
    const { main } = await import("./main.ts")
    main(cwd)
  }
}
