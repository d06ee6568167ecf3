/**
 * Packs every package as it would be published, unpacks them into an empty project outside of the workspace, and
 * checks the types of a program there and runs it, as somebody does who installs them. Each package finds there what
 * its manifest names and nothing else. Needs `pnpm bundle` before, and no network.
 */
import { execFile } from "node:child_process"
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
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
  readonly dependencies?: Readonly<Record<string, string>>
}

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
  include: ["main.ts"]
}

/** Makes `target` what `name` is for the package in `folder`. */
const link = async (target: string, name: string, folder: string): Promise<void> => {
  const place = join(folder, "node_modules", name)
  await mkdir(dirname(place), { recursive: true })
  await symlink(target, place)
}

/** What a package of the workspace has as a dependency. */
const installed = (from: string, name: string) => realpath(join(from, "node_modules", name))

/** Unpacks a package beside the project and the other packages: there it finds of them what it names. */
const unpack = async (archive: string, project: string): Promise<string> => {
  const text = await run("tar", ["-xzOf", archive, "package/package.json"], project)
  const { dependencies = {}, name } = JSON.parse(text) as Manifest
  const folder = join(project, "../unpacked", name)
  await mkdir(folder, { recursive: true })
  await run("tar", ["-xzf", archive, "-C", folder, "--strip-components=1"], project)
  await link(folder, name, project)
  const source = join(root, "packages", name.replace("@remote-agent/", ""))
  await Promise.all(
    Object.entries(dependencies).map(async ([dependency, version]) => {
      // What was left as it is in the workspace, npm could not install.
      if (/^(?:catalog|workspace|file|link):/.test(version)) {
        throw new Error(`${name}: ${dependency} is ${version}`)
      }
      const isOurs = dependency.startsWith("@remote-agent/")
      const target = isOurs ? join(project, "../unpacked", dependency) : await installed(source, dependency)
      await link(target, dependency, folder)
    })
  )
  return name
}

const folder = await mkdtemp(join(tmpdir(), "remote-agent-consumer-"))
try {
  const [project, packed] = [join(folder, "project"), join(folder, "packed")]
  await mkdir(project)
  await run("pnpm", ["-r", "--filter", "./packages/*", "pack", "--pack-destination", packed], root)
  const archives = (await readdir(packed)).map((name) => join(packed, name))
  const names = await Promise.all(archives.map((archive) => unpack(archive, project)))
  const sources = await readdir(join(root, "packages"))
  if (names.length !== sources.length) throw new Error(`Packed were only ${names.join(", ")}.`)
  await Promise.all(
    ["effect", "@effect/platform-node", "@types/node"].map(async (name) =>
      link(await installed(root, name), name, project)
    )
  )
  await Promise.all([
    writeFile(
      join(project, "package.json"),
      JSON.stringify({ name: "consumer", private: true, type: "module" })
    ),
    writeFile(join(project, "tsconfig.json"), JSON.stringify(tsconfig)),
    writeFile(join(project, "main.ts"), program)
  ])
  await run(join(root, "node_modules/.bin/tsc"), ["-p", "."], project)
  const printed = await run(process.execPath, ["main.ts"], project)
  if (!expected.test(printed)) throw new Error(`The program printed something else:\n${printed}`)
  const cli = join(folder, "unpacked/@remote-agent/cli")
  const { bin } = JSON.parse(await readFile(join(cli, "package.json"), "utf8")) as {
    readonly bin: Readonly<Record<string, string>>
  }
  const demo = await run(process.execPath, [join(cli, bin["remote-agent"] ?? ""), "demo"], project)
  if (!demo.endsWith("Sandboxes left: 0\n")) throw new Error(`The binary printed something else:\n${demo}`)
  process.stdout.write(`${names.toSorted().join(", ")}: packed, unpacked, type-checked and run.\n`)
} finally {
  await rm(folder, { recursive: true, force: true })
}
