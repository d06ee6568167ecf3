import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { execFile } from "node:child_process"
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { env as own, execPath } from "node:process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { folder } from "../support/support.ts"

const limit = { timeout: 600_000 }

const root = fileURLToPath(new URL("../../../../", import.meta.url))

const Manifest = Schema.fromJsonString(Schema.Struct({ name: Schema.String, version: Schema.String }))

const files = async (): Promise<ReadonlyArray<string>> => [
  ".changeset/config.json",
  "CHANGELOG.md",
  "package.json",
  "pnpm-workspace.yaml",
  "packages/cli/src/version.ts",
  ...(await readdir(join(root, "packages"))).map((name) => `packages/${name}/package.json`)
]

/** A repository with all that a release is made of, as it is here, and a changelog of its own. */
const repository = Effect.gen(function* () {
  const cwd = yield* folder
  const env = { PATH: `${join(root, "node_modules/.bin")}:${own["PATH"]}`, HOME: cwd, CI: "true" }
  const call = (command: string, ...args: ReadonlyArray<string>) =>
    Effect.promise(() => promisify(execFile)(command, args, { cwd, env }))
  const write = (name: string, text: string) => Effect.promise(() => writeFile(join(cwd, name), text))
  yield* Effect.promise(async () => {
    const all = await files()
    await Promise.all(all.map((name) => mkdir(dirname(join(cwd, name)), { recursive: true })))
    await Promise.all(all.map((name) => cp(join(root, name), join(cwd, name))))
  })
  yield* write(
    "CHANGELOG.md",
    "# Changelog\n\n## Unreleased\n\n- Said by hand.\n\n## 0.0.1 (2026-01-01)\n\n- The first.\n"
  )
  yield* call("git", "init", "--quiet", "--initial-branch=main")
  yield* call("git", "add", ".")
  const who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@localhost"]
  yield* call("git", ...who, "commit", "--quiet", "--message=All of it")
  return {
    write,
    text: (name: string) => Effect.promise(() => readFile(join(cwd, name), "utf8")),
    names: (name: string) => Effect.promise(() => readdir(join(cwd, name))),
    version: call(execPath, join(root, "scripts/version.ts")),
    refused: Effect.promise(() =>
      promisify(execFile)(execPath, [join(root, "scripts/version.ts")], { cwd, env }).then(
        () => "",
        (error: Error) => error.message
      )
    )
  }
})

const versions = (text: (name: string) => Effect.Effect<string>) =>
  Effect.gen(function* () {
    const manifests = (yield* Effect.promise(files)).filter((name) => /^packages\/.*\.json$/.test(name))
    assert.isAbove(manifests.length, 1)
    const found = yield* Effect.forEach(manifests, (name) =>
      Effect.flatMap(text(name), Schema.decodeEffect(Manifest))
    )
    return [...new Set(found.map(({ version }) => version))]
  })

describe("a release", () => {
  it.live(
    "gives all packages, the binary and the changelog one version, whichever package has changed",
    Effect.fnUntraced(function* () {
      const { names, text, version, write } = yield* repository
      const [before = "", ...more] = yield* versions(text)
      assert.deepStrictEqual(more, [])
      yield* write(
        ".changeset/one.md",
        `---\n"@remote-agent/domain": patch\n---\n\nOne thing\nin two lines.\n`
      )
      yield* write(".changeset/two.md", `---\n"@remote-agent/e2b-local": minor\n---\n\nAnother.\n`)
      const [major, minor] = before.split(".").map(Number)
      const next = `${major}.${(minor ?? 0) + 1}.0`
      assert.strictEqual((yield* version).stdout, `${next}\n`)
      assert.deepStrictEqual(yield* versions(text), [next])
      assert.include(yield* text("packages/cli/src/version.ts"), `export const version = "${next}"`)
      assert.match(
        yield* text("CHANGELOG.md"),
        new RegExp(
          `^# Changelog\n\n## ${next} \\(\\d{4}-\\d\\d-\\d\\d\\)\n\n- Said by hand\\.\n` +
            `- One thing in two lines\\.\n- Another\\.\n\n## 0\\.0\\.1 \\(2026-01-01\\)\n\n- The first\\.\n$`
        )
      )
      assert.deepStrictEqual(yield* names(".changeset"), ["config.json"])

      // The next one has a heading of its own.
      yield* write(".changeset/three.md", `---\n"@remote-agent/cli": patch\n---\n\nA third.\n`)
      const later = `${major}.${(minor ?? 0) + 1}.1`
      assert.strictEqual((yield* version).stdout, `${later}\n`)
      assert.match(yield* text("CHANGELOG.md"), new RegExp(`## ${later} .*\n\n- A third\\.\n\n## ${next} `))
    }, Effect.scoped),
    limit
  )

  it.live(
    "is refused when no changeset says what it is, and changes nothing",
    Effect.fnUntraced(function* () {
      const { refused, text, write } = yield* repository
      const before = [yield* text("CHANGELOG.md"), yield* versions(text)]
      assert.include(yield* refused, "There is no changeset.")
      yield* write(".changeset/one.md", `---\n"@remote-agent/nobody": minor\n---\n\nOne.\n`)
      assert.include(yield* refused, "@remote-agent/nobody")
      assert.deepStrictEqual([yield* text("CHANGELOG.md"), yield* versions(text)], before)
    }, Effect.scoped),
    limit
  )
})
