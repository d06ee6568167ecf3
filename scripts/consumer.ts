/**
 * Packs every package as it would be published and installs the packages with npm into an empty project outside the
 * workspace. There it checks the types of two programs, runs them, and runs the binary. Needs `pnpm bundle` before,
 * and a registry for the dependencies.
 */
import { execFile } from "node:child_process"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const root = fileURLToPath(new URL("..", import.meta.url))

const execute = promisify(execFile)

const run = async (program: string, args: ReadonlyArray<string>, cwd: string): Promise<string> => {
  try {
    return (await execute(program, args, { cwd, maxBuffer: 64 * 1024 * 1024 })).stdout
  } catch (error) {
    const { stderr, stdout } = error as { readonly stdout?: string; readonly stderr?: string }
    throw new Error(`${program} ${args.join(" ")}\n${stdout ?? ""}${stderr ?? String(error)}`, {
      cause: error
    })
  }
}

interface Manifest {
  readonly name: string
  readonly version: string
}

const manifestOf = async (folder: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(root, folder, "package.json"), "utf8")) as Manifest

const program = `import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cli } from "@remote-agent/cli"
import { RemoteAgentConfig, type OrchestratorError } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { GitHub } from "@remote-agent/github"
import { GitHubMemory } from "@remote-agent/github/testing"
import { Orchestrator, SqlStateStore, StateStore } from "@remote-agent/orchestrator"
import { LocalSandboxes } from "@remote-agent/sandbox"
import { Console, Effect, Layer } from "effect"

const question = "Tesla revenue 2024"

const ask: Effect.Effect<string, OrchestratorError.OrchestratorError, Orchestrator.Orchestrator> = Effect.map(
  Effect.flatMap(Orchestrator.Orchestrator, ({ queries }) => Effect.scoped(queries.ask(question))),
  ({ answer }) => answer
)

const program = Effect.gen(function* () {
  yield* Console.log(yield* ask)
  const { isolation } = yield* E2bServer.E2bServer
  yield* Console.log(typeof isolation)
  const github = yield* GitHub.GitHub
  yield* github.createIssue({ owner: "acme", name: "app" }, { title: question })
  const { all } = yield* GitHubMemory.Calls
  yield* Console.log((yield* all).length, typeof Cli.run)
  const { getAgent } = yield* Effect.provide(StateStore.StateStore, SqlStateStore.layerSqliteMemory)
  yield* Console.log(typeof getAgent)
})

const layer = Layer.mergeAll(
  Orchestrator.layer.pipe(Layer.provideMerge(LocalSandboxes.layer()), Layer.provide(RemoteAgentConfig.layer)),
  GitHubMemory.layer({ repositories: { "acme/app": {} } }),
  NodeServices.layer
)

await Effect.runPromise(Effect.provide(program, layer))
`

const expected =
  /^Tesla's revenue in fiscal year 2024 was \$97,690 million\..*\nstring\n1 function\nfunction\n$/

const tsconfig = {
  compilerOptions: {
    target: "es2024",
    lib: ["es2024", "esnext.disposable"],
    module: "nodenext",
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    noEmit: true
  },
  include: ["*.ts"]
}

/** The program in the README and its output. */
const readme = async (): Promise<{ readonly code: string; readonly output: string }> => {
  const text = await readFile(join(root, "README.md"), "utf8")
  const [, code = "", output = ""] = /```ts run\n([^]*?)```\n+```text output\n([^]*?)```/.exec(text) ?? []
  return { code, output }
}

/** A dependency in the version of the workspace, so that the project uses the tested version. */
const pinned = async (name: string): Promise<string> => {
  const { version } = await manifestOf(join("node_modules", name))
  return `${name}@${version}`
}

const folder = await mkdtemp(join(tmpdir(), "remote-agent-consumer-"))
try {
  const [project, packed] = [join(folder, "project"), join(folder, "packed")]
  await mkdir(project)
  await run("pnpm", ["-r", "--filter", "./packages/*", "pack", "--pack-destination", packed], root)
  const archives = (await readdir(packed)).map((name) => join(packed, name))
  const sources = await readdir(join(root, "packages"))
  const names = await Promise.all(
    sources.map(async (source) => (await manifestOf(`packages/${source}`)).name)
  )
  if (archives.length !== names.length) throw new Error(`Packed were only ${archives.join(", ")}.`)
  const { code, output } = await readme()
  await Promise.all([
    writeFile(
      join(project, "package.json"),
      JSON.stringify({ name: "consumer", private: true, type: "module" })
    ),
    writeFile(join(project, "tsconfig.json"), JSON.stringify(tsconfig)),
    writeFile(join(project, "main.ts"), program),
    writeFile(join(project, "readme.ts"), code)
  ])
  const libraries = await Promise.all(["effect", "@effect/platform-node", "@types/node"].map(pinned))
  await run("npm", ["install", "--no-audit", "--no-fund", ...archives, ...libraries], project)
  await run(join(root, "node_modules/.bin/tsc"), ["-p", "."], project)
  const printed = await run(process.execPath, ["main.ts"], project)
  if (!expected.test(printed)) throw new Error(`The program printed something else:\n${printed}`)
  const answers = await run(process.execPath, ["readme.ts"], project)
  if (answers !== output) throw new Error(`The program of the README printed something else:\n${answers}`)
  const demo = await run(join(project, "node_modules/.bin/remote-agent"), ["demo"], project)
  if (!demo.endsWith("Sandboxes left: 0\n")) throw new Error(`The binary printed something else:\n${demo}`)
  process.stdout.write(`${names.toSorted().join(", ")}: packed, installed with npm, type-checked and run.\n`)
} finally {
  await rm(folder, { recursive: true, force: true })
}
