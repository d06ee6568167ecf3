import { defineConfig } from "vitest/config"

// The agents of others, installed from the registry: too much and too slow for every run of the tests.
export default defineConfig({
  test: {
    name: "agents",
    include: ["packages/{orchestrator,server}/test/**/*.agents.ts"],
    testTimeout: 900_000,
    hookTimeout: 900_000,
    fileParallelism: false
  }
})
