/** Servers in processes of their own, as root and as an ordinary user, whose session keyring holds a key. */
import { assert } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import type { E2B, Sandbox } from "e2b"
import { spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs/promises"
import { geteuid, execPath } from "node:process"
import { fileURLToPath } from "node:url"
import { calls } from "../../src/host/kernel.ts"
import { clientOf, type Mode, sdk, temporaryFolder, works } from "./support.ts"

/** The user of the server. An ordinary one has no privileges and one uid. */
export type User = "root" | "ordinary"

const ORDINARY = 48_211
export const KEY = "e2b-local-canary"
export const SECRET = "fake-secret-of-the-host"

const fixture = fileURLToPath(import.meta.resolve("../fixtures/serve.ts"))
const isRoot = geteuid?.() === 0

const asOrdinary = isRoot ? { uid: ORDINARY, gid: ORDINARY } : {}

/** Why a server of this user cannot run here. Undefined when it can. */
const unable = (user: User): string | undefined => {
  if (calls === undefined || spawnSync("perl", ["-e", "1"]).status !== 0) return "no perl"
  if (user === "root") return isRoot ? undefined : "not root"
  const script = `require("fs").accessSync(${JSON.stringify(fixture)})`
  if (spawnSync(execPath, ["-e", script], asOrdinary).status !== 0)
    return "an ordinary user cannot read the sources"
  return spawnSync("unshare", ["-Ur", "true"], asOrdinary).status === 0
    ? undefined
    : "an ordinary user cannot make a user namespace"
}

const reasons = { root: unable("root"), ordinary: unable("ordinary") }

/** Why this combination does not run here. Empty when it does. */
export const missing = (mode: Mode, user: User): string =>
  works(mode) ? (reasons[user] ?? "") : `${mode} does not work here`

export class Host extends Context.Service<
  Host,
  { readonly client: E2B; readonly url: string; readonly directory: string; readonly pid: number }
>()("test/Host") {}

const decode = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Struct({ url: Schema.String, apiKey: Schema.String }))
)

// Gives the server a session keyring with a key that every holder of the keyring may read, then becomes the server.
const addKey = { x64: 248, arm64: 217 }[process.arch as "x64" | "arm64"]
const prelude = `
my $words = pop @ARGV; my ($type, $name, $secret) = ("user", "${KEY}", "${SECRET}");
syscall(${calls?.keyctl}, 1, 0); syscall(${addKey}, $type, $name, $secret, length $secret, -3);
exec @ARGV;`

/** A server with one form of isolation, of one user. `before` runs in a shell that becomes it. */
export const hostLayer = (mode: Mode, user: User, before = ":") =>
  Layer.effect(
    Host,
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      yield* Effect.promise(() =>
        user === "ordinary" && isRoot ? Fs.chown(directory, ORDINARY, ORDINARY) : Fs.chmod(directory, 0o700)
      )
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(
            "sh",
            [
              "-c",
              `${before}; exec "$@"`,
              "sh",
              "perl",
              "-e",
              prelude,
              "--",
              execPath,
              fixture,
              mode,
              directory,
              ""
            ],
            {
              ...(user === "ordinary" ? asOrdinary : {}),
              env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: directory },
              stdio: ["ignore", "pipe", "inherit"]
            }
          )
        ),
        (started) =>
          Effect.callback<void>((resume) => {
            started.once("exit", () => resume(Effect.void))
            started.kill("SIGTERM")
          })
      )
      const line = yield* Effect.callback<string>((resume) => {
        child.stdout.once("data", (chunk: Buffer) => resume(Effect.succeed(chunk.toString())))
        child.once("exit", () => resume(Effect.succeed("the server did not start")))
      })
      const { apiKey, url } = yield* Effect.orDie(decode(line))
      return Host.of({ client: clientOf(url, apiKey), url, directory, pid: child.pid ?? 0 })
    })
  )

/** A sandbox of the server for the duration of the test. */
export const sandboxOf = (options: Parameters<E2B["Sandbox"]["create"]>[1] = {}) =>
  Effect.flatMap(Host, ({ client }) =>
    Effect.acquireRelease(
      sdk(() => client.Sandbox.create({ ...options })),
      (created) => Effect.orDie(sdk(() => created.kill()))
    )
  )

/** Runs a perl program in a sandbox and returns its output. */
export const perl = (box: Sandbox, program: string, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    yield* sdk(() => box.files.write("attempt.pl", program))
    const words = args.map((word) => `'${word}'`).join(" ")
    const { stderr, stdout } = yield* sdk(() => box.commands.run(`perl attempt.pl ${words} || true`))
    assert.notInclude(stderr, "syntax error")
    return stdout.trim()
  })
