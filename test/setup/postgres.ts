import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { TestProject } from "vitest/node"
import { start, type Started } from "../../packages/orchestrator/test/postgres.ts"
import { shared, taken } from "./shared.ts"

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
    await server?.stop()
  }
}
