#!/usr/bin/env node
import { version } from "./version.ts"

// Scripts ask for the version often, and the answer needs nothing of what the commands need.
if (process.argv.length === 3 && process.argv[2] === "--version") process.stdout.write(`${version}\n`)
else (await import("./main.ts")).main()
