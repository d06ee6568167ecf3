#!/usr/bin/env node
await import("@remote-agent/cli/bin")
