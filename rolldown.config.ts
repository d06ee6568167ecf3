import { existsSync } from "node:fs"
import { cp, readdir, readFile, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { defineConfig } from "rolldown"
import { parseSync } from "rolldown/utils"

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

/** Copies the built page beside the bundle, where the command looks for it. Without a built page there is none. */
const pageFiles = {
  name: "page-files",
  writeBundle: async () => {
    const built = fileURLToPath(new URL("packages/web/dist/page", import.meta.url))
    const target = fileURLToPath(new URL("packages/remote-agent/dist/page", import.meta.url))
    await rm(target, { recursive: true, force: true })
    if (existsSync(built)) await cp(built, target, { recursive: true })
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

/** A node of a syntax tree, as far as it matters here. */
interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value && "start" in value

/** The node and all nodes below it. */
const nodesOf = (node: Node): ReadonlyArray<Node> => [
  node,
  ...Object.values(node).flat().filter(isNode).flatMap(nodesOf)
]

/** The `run` of a call `command({ ..., run })`. A flag may be called `run` too, one level below. */
const runOf = (statement: Node): Node | undefined =>
  nodesOf(statement)
    .filter(({ callee, type }) => type === "CallExpression" && isNode(callee) && callee["name"] === "command")
    .flatMap(({ arguments: given }) => (Array.isArray(given) ? given.filter(isNode) : []))
    .flatMap(({ properties }) => (Array.isArray(properties) ? properties.filter(isNode) : []))
    .find(({ key, type }) => type === "Property" && isNode(key) && key["name"] === "run")

/** The names that a statement mentions, and more: every identifier in it. */
const mentioned = (node: Node): ReadonlyArray<string> =>
  nodesOf(node).flatMap(({ name, type }) => (type === "Identifier" && typeof name === "string" ? [name] : []))

/** The names that a top-level statement declares. */
const declared = (statement: Node): ReadonlyArray<string> => {
  const { declaration, declarations, id, specifiers } = statement
  if (isNode(declaration)) return declared(declaration)
  if (Array.isArray(declarations)) return declarations.flatMap(({ id: one }: { id: Node }) => mentioned(one))
  if (Array.isArray(specifiers)) return specifiers.flatMap(({ local }: { local: Node }) => mentioned(local))
  return isNode(id) ? mentioned(id) : []
}

/** The statements that declare something which the wanted names need, directly or not. */
const reachable = (statements: ReadonlyArray<Node>, wanted: Set<string>): ReadonlySet<Node> => {
  const kept = new Set<Node>()
  for (let before = -1; kept.size > before;) {
    before = kept.size
    for (const statement of statements) {
      if (kept.has(statement) || !declared(statement).some((name) => wanted.has(name))) continue
      kept.add(statement)
      for (const name of mentioned(statement)) wanted.add(name)
    }
  }
  return kept
}

const splitSuffix = "?run"

/** A command file without `run` and what only `run` needs. */
const withoutRun = (code: string, id: string, statements: ReadonlyArray<Node>, command: Node, run: Node) => {
  const inRun = new Set(nodesOf(run))
  const wanted = new Set(
    nodesOf(command).flatMap((node) =>
      node.type === "Identifier" && !inRun.has(node) && typeof node["name"] === "string" ? [node["name"]] : []
    )
  )
  const kept = reachable(
    statements.filter((one) => one !== command),
    wanted
  )
  return statements
    .map((one) => {
      if (one !== command) return kept.has(one) ? code.slice(one.start, one.end) : ""
      const load = `load: () => import(${JSON.stringify(id + splitSuffix)})`
      return code.slice(one.start, run.start) + load + code.slice(run.end, one.end)
    })
    .join("\n")
}

/**
 * Moves the `run` of every command into a chunk of its own, which `load` imports. Every start needs the flags of all
 * commands, but runs only one.
 */
const splitCommands = {
  name: "split-commands",
  resolveId: { filter: { id: /\?run$/ }, handler: (id: string) => id },
  load: {
    filter: { id: /\?run$/ },
    handler: async (id: string) => ({
      code: await readFile(id.slice(0, -splitSuffix.length), "utf8"),
      moduleType: "ts" as const
    })
  },
  transform: {
    filter: { id: /packages\/cli\/src\/commands\/.*\.ts(?:\?run)?$/, code: /= command\(\{/ },
    handler: (code: string, id: string) => {
      const statements = parseSync(id, code, { lang: "ts" }).program.body as unknown as ReadonlyArray<Node>
      const command = statements.find((one) => runOf(one) !== undefined)
      const run = command === undefined ? undefined : runOf(command)
      if (command === undefined || run === undefined || !isNode(run["value"])) {
        throw new Error(`${id}: a command without run`)
      }
      if (!id.endsWith(splitSuffix)) return withoutRun(code, id, statements, command, run)
      const { end, start } = run["value"]
      return `${code.slice(0, command.start)}export const run = ${code.slice(start, end)}${code.slice(command.end)}`
    }
  }
}

const segmenter = fileURLToPath(new URL("packages/cli/src/process/Segmenter.ts", import.meta.url))

export default defineConfig({
  input: { "remote-agent": "packages/cli/src/bin.ts" },
  platform: "node",
  external: ["e2b"],
  plugins: [splitCommands, inlineAssets, inlineScripts, lazyBuiltins, pageFiles],
  transform: { inject: { "Intl.Segmenter": [segmenter, "Segmenter"] } },
  // Most of a cold start is reading and parsing files. Code for some commands is in files of its own; code for all
  // commands is in one file, and code that reads the state in another, because every file has to be found and linked.
  output: {
    dir: "packages/remote-agent/dist/bundle",
    entryFileNames: "remote-agent.mjs",
    chunkFileNames: "[name].mjs",
    format: "esm",
    codeSplitting: {
      groups: [
        { name: "version", test: /cli\/src\/version\.ts$/, priority: 3 },
        { name: "main", test: /cli\/src\/main\.ts$/, priority: 2 },
        {
          name: "State",
          test: /cli\/src\/(app\/(State|Settings|ServerTarget)|process\/Telemetry)\.ts$/,
          priority: 1
        }
      ]
    },
    minify: true
  }
})
