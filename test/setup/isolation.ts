import { Isolation } from "@remote-agent/e2b-local"
import { Effect } from "effect"
import type { TestProject } from "vitest/node"
import { shared } from "./shared.ts"

export default async ({ provide }: TestProject) => {
  const { findings } = await shared("isolation", () => Effect.runPromise(Isolation.probe))
  provide(
    "isolations",
    findings.flatMap(({ kind, works }) => (works ? [kind] : []))
  )
}
