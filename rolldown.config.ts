import { readdir, readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
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
    filter: { id: /packages\/orchestrator\/src\/profiles\/assets\.ts$/ },
    handler: async (id: string) => {
      const texts = await Promise.all(
        assets.map(async (name) => [
          name,
          await readFile(new URL(`../../assets/${name}`, `file://${id}`), "utf8")
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

/** Puts shell scripts into the bundle, in the place of the module `readScript.ts` beside them, with their includes. */
const inlineScripts = {
  name: "inline-scripts",
  load: {
    filter: { id: /packages\/[^/]+\/src\/.*\/readScript\.ts$/ },
    handler: async (id: string) => {
      const folder = dirname(id)
      const names = (await readdir(folder)).filter((name) => name.endsWith(".sh"))
      const texts = new Map(
        await Promise.all(
          names.map(async (name) => [name, await readFile(join(folder, name), "utf8")] as const)
        )
      )
      const expand = (text = ""): string =>
        text.replaceAll(/^\. \.\/([\w-]+\.sh)$/gm, (_, name: string) => expand(texts.get(name)))
      return {
        code: `const texts = ${JSON.stringify(Object.fromEntries([...texts].map(([name, text]) => [name, expand(text)])))}
export const readScript = (name) => texts[name]`,
        moduleType: "js" as const
      }
    }
  }
}

/**
 * Loads the modules of Node.js that take long to load where they are first used: most commands never use them, and
 * `import * as` asks for them at every start.
 */
const lazyBuiltins = {
  name: "lazy-builtins",
  transform: {
    filter: { code: /^import \* as \w+ from "node:(?:child_process|crypto|readline)"/m },
    handler: (code: string) =>
      code.replaceAll(
        /^import \* as (\w+) from "(node:(?:child_process|crypto|readline))"/gm,
        'const $1 = new Proxy({}, { get: (_, name) => process.getBuiltinModule("$2")[name] })'
      )
  }
}

const segmenter = fileURLToPath(new URL("packages/cli/src/ui/Segmenter.ts", import.meta.url))

export default defineConfig({
  input: { "remote-agent": "packages/cli/src/bin.ts" },
  platform: "node",
  external: ["e2b"],
  plugins: [inlineAssets, inlineScripts, lazyBuiltins],
  transform: { inject: { "Intl.Segmenter": [segmenter, "Segmenter"] } },
  // What only some commands need is a file of its own: reading and parsing it is most of the time of a cold start.
  // What all of them need is one file, and what reads the state is another, for every file has to be found and linked.
  output: {
    dir: "packages/remote-agent/dist/bundle",
    entryFileNames: "remote-agent.mjs",
    chunkFileNames: "[name].mjs",
    format: "esm",
    codeSplitting: {
      groups: [
        { name: "version", test: /cli\/src\/version\.ts$/, priority: 3 },
        { name: "main", test: /cli\/src\/main\.ts$/, priority: 2 },
        { name: "State", test: /cli\/src\/(app\/State|process\/Telemetry)\.ts$/, priority: 1 }
      ]
    },
    minify: true
  }
})
