import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { TestProject } from "vitest/node"
import { start, type Started } from "../../packages/orchestrator/test/postgres.ts"

let started: Promise<Started> | undefined

export default async ({ provide }: TestProject) => {
  const door = createServer((_, response) => {
    started ??= start()
    started.then(
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
    const running = started
    started = undefined
    await (await running)?.stop()
  }
}
