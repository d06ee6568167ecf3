import { Redacted } from "effect"
import type { SandboxSpec } from "../Sandbox.ts"

/** The environment of a sandbox with its secrets in plain text, as a provider needs it. */
export const revealed = (env: SandboxSpec["env"]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env ?? {}).map(([name, value]) => [
      name,
      Redacted.isRedacted(value) ? Redacted.value(value) : value
    ])
  )
