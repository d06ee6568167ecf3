/** The oldest and the newest SDK of both languages, and the E2B CLI. Needs the package registries. */
import { runsRest } from "#test/tier"
import { describeWhere } from "#test/where"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as HostProcess from "../../src/host/HostProcess.ts"
import { best, sandbox, Server, serverLayer, temporaryFolder } from "../support/support.ts"

// The package managers need their proxies and registries.
const environment = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
)

const fixture = (name: string) => fileURLToPath(import.meta.resolve(`../fixtures/sdk/${name}`))

/** Runs a program with the environment that points an SDK at the server. */
const run = (command: string, args: ReadonlyArray<string>, cwd: string, env = {}) =>
  Effect.flatMap(Server, ({ apiKey, url }) =>
    HostProcess.run({
      command,
      args,
      cwd,
      env: {
        ...environment,
        E2B_API_URL: url,
        E2B_SANDBOX_URL: url,
        E2B_API_KEY: apiKey,
        NO_COLOR: "1",
        ...env
      }
    })
  )

/** Why a package cannot be installed here. Undefined when it was installed. */
const install = (command: string, args: ReadonlyArray<string>, cwd: string) =>
  HostProcess.run({ command, args, cwd, env: environment }).pipe(
    Effect.map(({ code, stderr }) =>
      code === 0 ? undefined : `${command} cannot install: ${stderr.trim().split("\n").at(-1)}`
    ),
    Effect.catch((error) => Effect.succeed(error.message)),
    Effect.timeoutOrElse({
      duration: "3 minutes",
      orElse: () => Effect.succeed("the package registry does not answer")
    })
  )

const npm = (folder: string, name: string) =>
  Effect.andThen(
    Effect.promise(() => Fs.writeFile(Path.join(folder, "package.json"), '{"type":"module"}')),
    install("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", name], folder)
  )

const pip = (folder: string, name: string) =>
  install("python3", ["-m", "pip", "install", "--quiet", "--target", folder, name], folder)

const lastLine = (output: HostProcess.Output) => {
  assert.strictEqual(output.code, 0, output.stderr + output.stdout.toString())
  return JSON.parse(output.stdout.toString().trim().split("\n").at(-1) ?? "")
}

describeWhere(runsRest, "only test:full and test:rest install other SDKs, which takes minutes")(
  "SDKs and the CLI",
  () => {
    layer(serverLayer({ isolation: best }), { excludeTestServices: true, timeout: "300 seconds" })((it) => {
      it.effect.each(["e2b@2.14.0", "e2b@latest"])(
        "of JavaScript work: %s",
        (name, { skip }) =>
          Effect.gen(function* () {
            const folder = yield* temporaryFolder
            const why = yield* npm(folder, name)
            if (why !== undefined) return skip(why)
            yield* Effect.promise(() => Fs.copyFile(fixture("program.mjs"), Path.join(folder, "program.mjs")))
            assert.deepStrictEqual(lastLine(yield* run("node", ["program.mjs"], folder)), {
              stdout: "from js",
              read: ['{"x":1}', "text"],
              listed: ["x.json", "x.txt"],
              found: 1,
              after: "text",
              running: [true, false]
            })
          }),
        300_000
      )

      it.effect.each(["e2b==2.20.0", "e2b"])(
        "of Python work: %s",
        (name, { skip }) =>
          Effect.gen(function* () {
            const folder = yield* temporaryFolder
            const why = yield* pip(folder, name)
            if (why !== undefined) return skip(why)
            const output = yield* run("python3", [fixture("program.py")], folder, { PYTHONPATH: folder })
            assert.deepStrictEqual(lastLine(output), {
              stdout: "from python",
              read: ['{"x":1}', '{"y":2}', "text"],
              listed: ["x.json", "x.txt", "y.json"],
              found: 1,
              watched: true,
              after: "text",
              killed: true
            })
          }),
        300_000
      )

      it.effect(
        "and the CLI lists, logs, runs in and kills sandboxes",
        ({ skip }) =>
          Effect.gen(function* () {
            const folder = yield* temporaryFolder
            const why = yield* npm(folder, "@e2b/cli@2.19.0")
            if (why !== undefined) return skip(why)
            const box = yield* sandbox()
            const cli = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
              const bin = Path.join(folder, "node_modules/@e2b/cli/dist/index.js")
              const output = yield* run("node", [bin, "sandbox", ...args], folder, { HOME: folder })
              assert.strictEqual(
                output.code,
                0,
                `${args.join(" ")}: ${output.stderr}${output.stdout.toString()}`
              )
              return output.stdout.toString()
            })
            assert.include(yield* cli("list"), box.sandboxId)
            assert.include(yield* cli("exec", box.sandboxId, "echo from the CLI"), "from the CLI")
            assert.include(yield* cli("logs", box.sandboxId), "sandbox created")
            assert.include(yield* cli("metrics", box.sandboxId), box.sandboxId)
            yield* cli("kill", box.sandboxId)
            assert.notInclude(yield* cli("list"), box.sandboxId)
          }).pipe(Effect.scoped),
        300_000
      )
    })
  }
)
