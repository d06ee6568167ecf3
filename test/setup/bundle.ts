import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"
import type { TestProject } from "vitest/node"
import config from "../../rolldown.config.ts"

const dist = fileURLToPath(new URL("../../packages/cli/dist/", import.meta.url))

let made: Promise<string> | undefined

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
  made ??= make()
  const dir = await made
  provide("bin", join(dir, "remote-agent.mjs"))
  return () => rm(dir, { recursive: true, force: true })
}
