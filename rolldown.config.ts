import { readFile } from "node:fs/promises"
import { defineConfig } from "rolldown"

const assets = [
  "dexter-runner.mjs",
  "dexter-runner.py",
  "dexter-setup.mjs",
  "fundamentals.json",
  "sample-agent.mjs"
]

/** Puts the files that ship with the orchestrator into the bundle, in the place of the module that reads them. */
const inlineAssets = {
  name: "inline-assets",
  load: {
    filter: { id: /packages\/orchestrator\/src\/Assets\.ts$/ },
    handler: async (id: string) => {
      const texts = await Promise.all(
        assets.map(async (name) => [
          name,
          await readFile(new URL(`../assets/${name}`, `file://${id}`), "utf8")
        ])
      )
      return {
        code: `import { Effect } from "effect"
const texts = ${JSON.stringify(Object.fromEntries(texts))}
export const read = (name) => Effect.succeed(texts[name])`,
        moduleType: "js" as const
      }
    }
  }
}

export default defineConfig({
  input: { "remote-agent": "packages/cli/src/bin.ts" },
  platform: "node",
  external: ["e2b"],
  plugins: [inlineAssets],
  // What only some commands need is a file of its own: reading and parsing it is most of the time of a cold start.
  output: {
    dir: "packages/cli/dist/bundle",
    entryFileNames: "remote-agent.mjs",
    chunkFileNames: "[name].mjs",
    format: "esm",
    minify: true
  }
})
