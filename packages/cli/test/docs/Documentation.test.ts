import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile, spawn } from "node:child_process"
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { basename, dirname, join, normalize } from "node:path"
import { env } from "node:process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { bin, finish, folder, leftFolders } from "../support/support.ts"

const root = fileURLToPath(new URL("../../../../", import.meta.url))

const run = promisify(execFile)

const pages = Effect.promise(async () => {
  const docs = (await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md"))
  const names = ["README.md", "AGENTS.md", "CHANGELOG.md", ...docs.map((name) => `docs/${name}`)]
  return Promise.all(names.map(async (name) => ({ name, text: await readFile(join(root, name), "utf8") })))
})

interface Block {
  /** A file name, made from the page and the position in it. */
  readonly name: string
  readonly code: string
  readonly isRun: boolean
  /** The expected output, if the page contains it. */
  readonly output: string | undefined
}

const blocksOf = (page: string, text: string): ReadonlyArray<Block> => {
  const fences = [...text.matchAll(/^```([^\n]*)\n([^]*?)^```$/gm)]
  return fences.flatMap(([, info = "", code = ""], index): ReadonlyArray<Block> => {
    if (!/^ts( |$)/.test(info)) return []
    const [, below = "", output] = fences[index + 1] ?? []
    return [
      {
        name: `${basename(page, ".md")}-${index + 1}.ts`,
        code,
        isRun: info === "ts run",
        output: below === "text output" ? output : undefined
      }
    ]
  })
}

/** The examples in the JSDoc of a source file. */
const examplesOf = (path: string, text: string): ReadonlyArray<Block> =>
  [...text.matchAll(/^ *\* ```ts\n([^]*?)^ *\* ```$/gm)].map(([, code = ""], index) => ({
    name: `${path.replaceAll(/[^A-Za-z0-9]+/g, "-")}-${index + 1}.ts`,
    code: code.replaceAll(/^ *\* ?/gm, ""),
    isRun: false,
    output: undefined
  }))

const examples = Effect.promise(async () => {
  const packages = join(root, "packages")
  const paths = (await readdir(packages)).map(async (name) => {
    const inside = await readdir(join(packages, name, "src"), { recursive: true })
    return inside.filter((path) => path.endsWith(".ts")).map((path) => `${name}/src/${path}`)
  })
  const files = (await Promise.all(paths)).flat()
  return Promise.all(
    files.map(async (path) => examplesOf(path, await readFile(join(packages, path), "utf8")))
  )
})

/** The code blocks of all pages and the examples of all sources as files of one folder in the workspace, where packages are found. */
const extracted = Effect.gen(function* () {
  const blocks = [
    ...(yield* pages).flatMap(({ name, text }) => blocksOf(name, text)),
    ...(yield* examples).flat()
  ]
  const path = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(root, ".docs-"))),
    (made) => Effect.promise(() => rm(made, { recursive: true, force: true }))
  )
  const config = {
    extends: "../tsconfig.base.json",
    compilerOptions: {
      noEmit: true,
      composite: false,
      declaration: false,
      declarationMap: false,
      incremental: false,
      rewriteRelativeImportExtensions: false
    },
    include: ["*.ts"]
  }
  yield* Effect.promise(() =>
    Promise.all([
      writeFile(join(path, "tsconfig.json"), JSON.stringify(config)),
      ...blocks.map(({ code, name }) => writeFile(join(path, name), code))
    ])
  )
  return { path, blocks }
})

/** The errors of the type checker in the blocks; empty if there are none. Errors in `packages/` are ignored. */
const checked = (path: string) =>
  Effect.promise(async () => {
    const { stdout } = await run("effect-tsgo", ["get-exe-path"], { cwd: root })
    const said = await run(stdout.trim(), ["-p", path, "--pretty", "false"], { cwd: root }).then(
      (done) => done.stdout,
      (failed: { readonly stdout: string }) => failed.stdout
    )
    return said
      .split(/\n(?=\S)/)
      .filter((one) => !one.startsWith("packages/"))
      .join("\n")
  })

/** The anchors of a page, derived from its headings. */
const anchorsOf = (text: string): ReadonlySet<string> =>
  new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-")
    )
  )

/** The folders in a folder, without those named `internal`. */
const foldersIn = (path: string) =>
  Effect.promise(async () =>
    (await readdir(join(root, path), { withFileTypes: true }))
      .filter((entry) => entry.isDirectory() && entry.name !== "internal")
      .map(({ name }) => name)
  )

describe("the documentation", () => {
  it.live(
    "has code that is correct, and prints what is said",
    () =>
      Effect.gen(function* () {
        const { blocks, path } = yield* extracted
        assert.isAbove(blocks.length, 0)
        assert.strictEqual(yield* checked(path), "")
        for (const { isRun, name, output } of blocks) {
          if (!isRun) continue
          const cwd = yield* folder
          const ran = yield* Effect.promise(() =>
            finish(
              spawn(process.execPath, [join(path, name)], {
                cwd,
                env: {
                  PATH: env["PATH"],
                  HOME: cwd,
                  TMPDIR: cwd,
                  NODE_COMPILE_CACHE: env["NODE_COMPILE_CACHE"]
                },
                stdio: ["ignore", "pipe", "pipe"]
              })
            )
          )
          assert.strictEqual(ran.code, 0, `${name}: ${ran.stderr}`)
          assert.strictEqual(ran.stderr, "", name)
          if (output !== undefined) assert.strictEqual(ran.stdout, output, name)
          assert.deepStrictEqual(yield* Effect.promise(() => leftFolders(cwd)), [], name)
        }
      }),
    { timeout: 300_000 }
  )

  it.live(
    "has commands that work, one after the other",
    () =>
      Effect.gen(function* () {
        for (const { name, text } of yield* pages) {
          const scripts = [...text.matchAll(/^```sh run\n([^]*?)^```$/gm)].map(([, script = ""]) => script)
          if (scripts.length === 0) continue
          const cwd = yield* folder
          const program = join(cwd, "remote-agent")
          yield* Effect.promise(() =>
            writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`, { mode: 0o755 })
          )
          const shell = (script: string) =>
            Effect.promise(() =>
              finish(
                spawn("sh", ["-ec", script], {
                  cwd,
                  env: {
                    PATH: `${cwd}:${env["PATH"]}`,
                    HOME: cwd,
                    TMPDIR: cwd,
                    REMOTE_AGENT_DATA: join(cwd, "data")
                  },
                  stdio: ["ignore", "pipe", "pipe"]
                })
              )
            )
          yield* Effect.addFinalizer(() => shell("remote-agent local stop --yes || true"))
          const { code, stderr } = yield* shell(scripts.join("\n"))
          assert.strictEqual(code, 0, `${name}: ${stderr}`)
          assert.deepStrictEqual(yield* Effect.promise(() => leftFolders(cwd)), [])
          assert.strictEqual((yield* shell("remote-agent local status")).code, 3)
        }
      }),
    { timeout: 300_000 }
  )

  it.live("has links that lead somewhere", () =>
    Effect.gen(function* () {
      const all = new Map((yield* pages).map(({ name, text }) => [name, text]))
      for (const [name, text] of all) {
        for (const [, target = ""] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
          const [file = "", anchor] = target.split("#")
          const to = file === "" ? name : normalize(join(dirname(name), file))
          const page = all.get(to)
          if (page === undefined)
            yield* Effect.promise(() => readFile(join(root, to)).catch(() => readdir(join(root, to))))
          else if (anchor !== undefined) assert.isTrue(anchorsOf(page).has(anchor), `${name}: ${target}`)
        }
      }
    })
  )

  it.live("has walks that end at code that exists", () =>
    Effect.gen(function* () {
      const text = (yield* pages).find(({ name }) => name === "docs/concepts.md")?.text ?? ""
      const walks = [...text.matchAll(/^\| Where [^|]*\|([^|]*)\|([^|]*)\|$/gm)]
      assert.isAtLeast(walks.length, 3)
      for (const [, folderCell = "", fileCell = ""] of walks) {
        const [, room = ""] = /\]\(\.\.\/([^)]*)\)/.exec(folderCell) ?? []
        const [, name = ""] = /\]\(\.\.\/([^)]*)\)/.exec(fileCell) ?? []
        assert.strictEqual(dirname(name), room)
        const source = yield* Effect.promise(() => readFile(join(root, name), "utf8"))
        for (const [, code = ""] of fileCell.matchAll(/`([^`]*)`/g)) {
          assert.match(source, new RegExp(`\\b${code}\\b`), name)
        }
        const rooms = yield* Effect.promise(() =>
          readFile(join(root, room, "README.md"), "utf8").catch(() => "")
        )
        if (rooms !== "") assert.include(rooms, basename(name), `${room}/README.md`)
        const readme = yield* Effect.promise(() => readFile(join(root, "README.md"), "utf8"))
        assert.include(readme, `](${room})`)
      }
    })
  )

  it.live("has a map with every package and every room", () =>
    Effect.gen(function* () {
      const text = (yield* pages).find(({ name }) => name === "AGENTS.md")?.text ?? ""
      for (const name of yield* foldersIn("packages")) {
        assert.isTrue(text.includes(`| \`packages/${name}\` `), `packages/${name} is missing in AGENTS.md`)
        const [, section = ""] = text.split(`The rooms of \`${name}/src\``)
        const [rooms = ""] = section.split(/\nThe rooms of|\n## /)
        for (const room of yield* foldersIn(`packages/${name}/src`)) {
          assert.isTrue(rooms.includes(`\`${room}`), `packages/${name}/src/${room} is missing in AGENTS.md`)
        }
      }
    })
  )

  it.live("begins with a library example that is short, and answers", () =>
    Effect.gen(function* () {
      const text = (yield* pages).find(({ name }) => name === "README.md")?.text ?? ""
      const [example] = blocksOf("README.md", text)
      assert.isTrue(example?.isRun)
      assert.isAtMost(example?.code.trimEnd().split("\n").length ?? 0, 25)
      assert.match(
        example?.output ?? "",
        /^Tesla revenue 2024 -> .*97,690[^]*\nWhat is love\? -> .*cannot answer/
      )
    })
  )

  it.live("has a picture of a demo that left nothing, and nothing of the machine that made it", () =>
    Effect.gen(function* () {
      const picture = yield* Effect.promise(() => readFile(join(root, "docs/demo.svg"), "utf8"))
      assert.include(picture, "6 of 6 answered by 3 agents.")
      assert.include(picture, ">Sandboxes left: 0</text>")
      assert.notMatch(picture, /\/(home|root|tmp|work|Users)\//)
      assert.notMatch(picture, /\d s\./)
    })
  )
})
