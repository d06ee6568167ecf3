import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import type { TestProject } from "vitest/node"
import { shared, taken } from "./shared.ts"

const program = fileURLToPath(
  new URL("../../packages/orchestrator/test/fixtures/postgres.ts", import.meta.url)
)

interface Started {
  readonly process: ChildProcess
  readonly address: string
}

const start = async (): Promise<Started> => {
  const server = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"] })
  const said = await Promise.race([once(server.stdout, "data"), once(server, "exit")])
  if (server.exitCode !== null) throw new Error(`Postgres did not start: ${server.exitCode}`)
  return { process: server, address: String(said[0]).trim() }
}

const stop = async ({ process: server }: Started): Promise<void> => {
  const ended = once(server, "exit")
  server.stdin?.end()
  await ended
}

export default async ({ provide }: TestProject) => {
  const door = createServer((_, response) => {
    shared("postgres", start).then(
      ({ address }) => response.end(address),
      (error: unknown) => response.destroy(error instanceof Error ? error : undefined)
    )
  })
  door.listen(0, "127.0.0.1")
  await once(door, "listening")
  const { port } = door.address() as AddressInfo
  provide("postgres", `http://127.0.0.1:${port}/`)
  return async () => {
    door.closeAllConnections()
    door.close()
    const server = (await taken("postgres")) as Started | undefined
    if (server !== undefined) await stop(server)
  }
}
