import { Id, SandboxError } from "@remote-agent/domain"
import type * as Sdk from "e2b"
import { Effect, Redacted } from "effect"
import type { Host, Sandbox } from "../../Sandbox.ts"

/**
 * How the ports of a sandbox are reached: by a host name of their own, or, when all sandboxes are behind the one
 * `sandboxUrl`, by the headers that tell them apart there.
 */
export const make = (sandbox: Sdk.Sandbox, sandboxUrl: string | undefined): Sandbox["host"] =>
  Effect.fn("Sandbox.host")(function* (port: number) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      const invalid = new SandboxError.InvalidRequest({ detail: `${port} is no port` })
      return yield* SandboxError.fail("host", invalid, Id.SandboxId.make(sandbox.sandboxId))
    }
    const token = sandbox.trafficAccessToken
    const headers: Record<string, string> = {
      ...(sandboxUrl === undefined
        ? {}
        : { "e2b-sandbox-id": sandbox.sandboxId, "e2b-sandbox-port": `${port}` }),
      ...(token === undefined ? {} : { "e2b-traffic-access-token": token })
    }
    return {
      url: sandboxUrl === undefined ? `https://${sandbox.getHost(port)}` : sandboxUrl.replace(/\/+$/, ""),
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, Redacted.make(value)])
      )
    } satisfies Host
  })
