/** What the tests share: the forms of isolation of this host, a server per form, the unmodified SDK on it. */
import { best, chosen, type Kind, works } from "#test/isolation"
import { describeWhere } from "#test/where"
import { assert } from "@effect/vitest"
import { Context, Data, Effect, Layer, Redacted, Schedule } from "effect"
import { E2B, type Sandbox, type SandboxOpts } from "e2b"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { E2bServer } from "../../src/index.ts"

export { best, works }

export type Mode = Kind

export const modes: ReadonlyArray<Mode> = ["bubblewrap", "namespaces", "none"]
export const isolated: ReadonlyArray<Mode> = ["bubblewrap", "namespaces"]

/** The same tests for each form, every time; those of a form that does not work here are skipped, and counted as such. */
export const perMode = (all: ReadonlyArray<Mode>, name: string, tests: (mode: Mode) => void) => {
  for (const mode of all) {
    describeWhere(works(mode), `${mode} does not work here`)(`${name} (${mode})`, () => {
      tests(mode)
    })
  }
}

/** The same tests for each form: for everybody the best that there is, and the others in the rest. */
export const byMode = (all: ReadonlyArray<Mode>, name: string, tests: (mode: Mode) => void) =>
  perMode(chosen(all), name, tests)

/** What the SDK threw. */
export class SdkFailed extends Data.TaggedError("SdkFailed")<{ readonly cause: unknown }> {}

export const sdk = <A>(call: () => Promise<A>) =>
  Effect.tryPromise({ try: call, catch: (cause) => new SdkFailed({ cause }) })

/** The error that the call must end with. */
export const failure = <A>(call: () => Promise<A>) =>
  Effect.map(Effect.flip(sdk(call)), (error) => error.cause)

/** Polls until it holds, ten seconds at most. */
export const eventually = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  condition.pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("20 millis"), times: 500 }),
    Effect.tap((holds) => Effect.sync(() => assert.isTrue(holds, "the condition never held")))
  )

export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "e2b-local-test-"))),
  (path) => Effect.promise(() => Fs.rm(path, { recursive: true, force: true }))
)

export class Server extends Context.Service<
  Server,
  {
    readonly url: string
    readonly apiKey: string
    readonly live: Effect.Effect<number>
    readonly directory: string
    readonly enforced: E2bServer.E2bServer["Service"]["enforced"]
    readonly client: E2B
  }
>()("test/Server") {}

export const clientOf = (url: string, apiKey: string) =>
  new E2B({ apiKey, apiUrl: url, sandboxUrl: url, retries: 0 })

/** A server in a folder of its own; at its end nothing may be left in the folder. */
export const serverLayer = (options: E2bServer.Options) =>
  Layer.effect(
    Server,
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      yield* Effect.addFinalizer(() =>
        Effect.promise(async () => assert.deepStrictEqual(await Fs.readdir(directory), []))
      )
      const scope = yield* Effect.scope
      const context = yield* Layer.buildWithScope(E2bServer.layer({ ...options, directory }), scope)
      const server = Context.get(context, E2bServer.E2bServer)
      const apiKey = Redacted.value(server.apiKey)
      return Server.of({
        url: server.url,
        apiKey,
        live: server.live,
        enforced: server.enforced,
        directory,
        client: clientOf(server.url, apiKey)
      })
    })
  )

/** A sandbox for the length of the test. */
export const sandbox = (options: SandboxOpts = {}) =>
  Effect.flatMap(Server, ({ client }) =>
    Effect.acquireRelease(
      sdk(() => client.Sandbox.create(options)),
      (created) => Effect.orDie(sdk(() => created.kill()))
    )
  )

/** What a command wrote, without the last newline. */
export const output = (box: Sandbox, command: string) =>
  Effect.map(
    sdk(() => box.commands.run(command)),
    (result) => result.stdout.trimEnd()
  )

/** Bytes without a pattern that a chunk could hide. */
export const noise = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  let state = 0x9e3779b9
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    bytes[at] = state >>> 24
  }
  return bytes
}

const groupFolders = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"]

/** Mounts below a folder, and control groups of sandboxes, that the host still has. */
export const leftOnHost = (directory: string, ids: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const mounts = (await Fs.readFile("/proc/self/mounts", "utf8").catch(() => "")).split("\n")
    const own = (await Fs.readFile("/proc/self/cgroup", "utf8").catch(() => "")).split("\n")
    const folders = own.flatMap((line) =>
      groupFolders.map((folder) => Path.join(folder, line.split(":").slice(2).join(":")))
    )
    const groups = await Promise.all(
      [...new Set([...folders, ...groupFolders])].map((folder) => Fs.readdir(folder).catch(() => []))
    )
    return [
      ...mounts.filter((line) => line.includes(`${directory}/`)),
      ...groups.flat().filter((name) => ids.some((id) => name === `e2b-local-${id}`))
    ]
  })
