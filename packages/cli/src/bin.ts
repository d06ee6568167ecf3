#!/usr/bin/env node
import * as NodeVersion from "./process/NodeVersion.ts"
import { version } from "./version.ts"

const [, , first, kind, prefix = ""] = process.argv
const tooOld = NodeVersion.problem(process.versions.node)

// Scripts ask for the version often, and shells for names; neither needs anything of what the commands need.
if (process.argv.length === 3 && first === "--version") process.stdout.write(`${version}\n`)
else if (tooOld !== undefined) {
  process.stderr.write(`${tooOld}\n`)
  process.exitCode = 2
} else if (first === "__complete") {
  const { complete } = await import("./commands/completion/complete.ts")
  const words = complete(kind, prefix, { cwd: process.cwd(), env: process.env })
  process.stdout.write(words.map((word) => `${word}\n`).join(""))
} else {
  const { enable } = await import("./process/CompileCache.ts")
  enable({ env: process.env, user: process.getuid?.() })
  const { main } = await import("./main.ts")
  main()
}
