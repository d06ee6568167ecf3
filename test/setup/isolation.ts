import { Isolation } from "@remote-agent/e2b-local"
import { Effect } from "effect"
import type { TestProject } from "vitest/node"

let probed: Promise<Isolation.Report> | undefined

export default async ({ provide }: TestProject) => {
  probed ??= Effect.runPromise(Isolation.probe)
  const { findings } = await probed
  provide(
    "isolations",
    findings.flatMap(({ kind, works }) => (works ? [kind] : []))
  )
}
