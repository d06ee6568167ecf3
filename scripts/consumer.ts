/**
 * Packs every package as it would be published and installs the packages with npm into empty projects outside the
 * workspace, beside the Effect of the workspace and beside its next release. There it checks the types of two programs, runs
 * them, and runs the binary. Needs `pnpm bundle` before, and a registry for the dependencies.
 */
import { execFile } from "node:child_process"
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises"
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

const workspace = await readFile(join(root, "pnpm-workspace.yaml"), "utf8")

/** A dependency in the version of the workspace, so that the project uses the tested version. */
const pinned = (name: string): string => {
  const version = new RegExp(`^ {2}"?${name}"?: (\\S+)$`, "m").exec(workspace)?.[1]
  if (version === undefined) throw new Error(`${name} is not in the catalog.`)
  return `${name}@${version}`
}

/** Packs Effect as its next release, which a project may have before the workspace does. */
const nextRelease = async (folder: string): Promise<string> => {
  const copy = join(folder, "effect")
  await cp(await realpath(join(root, "node_modules/effect")), copy, { recursive: true, dereference: true })
  const file = join(copy, "package.json")
  const manifest = JSON.parse(await readFile(file, "utf8")) as Manifest
  const version = manifest.version.replace(/\d+$/, (patch) => `${Number(patch) + 1}`)
  await writeFile(file, JSON.stringify({ ...manifest, version }))
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], copy)
  return join(folder, `effect-${version}.tgz`)
}

/** Fails when npm installed a second copy of Effect: values of one copy are not values of the other. */
const checkCopies = async (project: string): Promise<void> => {
  const installed = await readdir(join(project, "node_modules"), { recursive: true })
  const copies = installed.filter((path) =>
    /(?:^|\/)node_modules\/effect\/package\.json$|^effect\/package\.json$/.test(path)
  )
  if (copies.length !== 1)
    throw new Error(`Effect is installed ${copies.length} times:\n${copies.join("\n")}`)
}

const newProject = async (project: string): Promise<void> => {
  await mkdir(project)
  await writeFile(
    join(project, "package.json"),
    JSON.stringify({ name: "consumer", private: true, type: "module" })
  )
}

const install = (project: string, packages: ReadonlyArray<string>) =>
  run("npm", ["install", "--no-audit", "--no-fund", ...packages], project)

/** Installs the packed packages into an empty project beside one version of Effect, and uses them. */
const consume = async (project: string, archives: ReadonlyArray<string>, effect: string): Promise<void> => {
  const { code, output } = await readme()
  await newProject(project)
  await Promise.all([
    writeFile(join(project, "tsconfig.json"), JSON.stringify(tsconfig)),
    writeFile(join(project, "main.ts"), program),
    writeFile(join(project, "readme.ts"), code)
  ])
  const others = ["@effect/platform-node", "@effect/sql-pg", "@types/node"].map(pinned)
  await install(project, [...archives, effect, ...others])
  await checkCopies(project)
  await run(join(root, "node_modules/.bin/tsc"), ["-p", "."], project)
  const printed = await run(process.execPath, ["main.ts"], project)
  if (!expected.test(printed)) throw new Error(`The program printed something else:\n${printed}`)
  const answers = await run(process.execPath, ["readme.ts"], project)
  if (answers !== output) throw new Error(`The program of the README printed something else:\n${answers}`)
  const demo = await run(join(project, "node_modules/.bin/remote-agent"), ["demo"], project)
  if (!demo.endsWith("Sandboxes left: 0\n")) throw new Error(`The binary printed something else:\n${demo}`)
}

/** Fails unless npm refuses an Effect that the packages do not work with, instead of installing a second one. */
const checkRefused = async (
  project: string,
  archives: ReadonlyArray<string>,
  effect: string
): Promise<void> => {
  await newProject(project)
  const refused = await install(project, [...archives, effect]).then(
    () => false,
    (error: unknown) => String(error).includes("ERESOLVE")
  )
  if (!refused) throw new Error(`npm should refuse ${effect}, and does not.`)
}

const folder = await mkdtemp(join(tmpdir(), "remote-agent-consumer-"))
try {
  const packed = join(folder, "packed")
  await run("pnpm", ["-r", "--filter", "./packages/*", "pack", "--pack-destination", packed], root)
  const archives = (await readdir(packed)).map((name) => join(packed, name))
  const sources = await readdir(join(root, "packages"))
  const names = await Promise.all(
    sources.map(async (source) => (await manifestOf(`packages/${source}`)).name)
  )
  if (archives.length !== names.length) throw new Error(`Packed were only ${archives.join(", ")}.`)
  await consume(join(folder, "project"), archives, pinned("effect"))
  await consume(join(folder, "next"), archives, await nextRelease(folder))
  await checkRefused(join(folder, "old"), archives, "effect@4.0.6")
  process.stdout.write(
    `${names.toSorted().join(", ")}: packed, installed with npm beside ${pinned("effect")} and its next release, type-checked and run.\n`
  )
} finally {
  await rm(folder, { recursive: true, force: true })
}
