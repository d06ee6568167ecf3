import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"
import type { TestProject } from "vitest/node"
import config from "../../rolldown.config.ts"
import { shared } from "./shared.ts"

const dist = fileURLToPath(new URL("../../packages/cli/dist/", import.meta.url))

/** Beside the bundle that is published, for it has to find the same packages; of its own, for others may make that. */
const make = async (): Promise<string> => {
  await mkdir(dist, { recursive: true })
  const dir = await mkdtemp(join(dist, "tests-"))
  const { output, ...input } = config
  const bundle = await rolldown(input)
  await bundle.write({ ...output, dir })
  await bundle.close()
  return dir
}

export default async ({ provide }: TestProject) => {
  const dir = await shared("bundle", make)
  provide("bin", join(dir, "remote-agent.mjs"))
  return () => rm(dir, { recursive: true, force: true })
}
