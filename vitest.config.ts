import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config"
import { runsDefault } from "./test/tier.ts"
import { files, type Project, rest } from "./vitest.projects.ts"

const alias = { find: /^#test\/(.*)$/, replacement: fileURLToPath(new URL("test/$1.ts", import.meta.url)) }

/** What programs of the tests are compiled to, from one start to the next. */
const compileCache = fileURLToPath(new URL("node_modules/.cache/compiled", import.meta.url))

const setups: Readonly<Record<Project, ReadonlyArray<string>>> = {
  unit: [],
  contract: ["isolation", "postgres"],
  binary: ["bundle", "isolation"],
  faults: ["isolation", "postgres"],
  docs: ["bundle"]
}

const project = (name: Project): TestProjectInlineConfiguration => {
  const { exclude, include } = files[name]
  return {
    resolve: { alias: [alias] },
    test: {
      name,
      include: [...(runsDefault ? include : include.filter((glob) => rest.includes(glob)))],
      exclude: ["**/node_modules/**", ...exclude],
      env: { NODE_COMPILE_CACHE: compileCache },
      globalSetup: setups[name].map((setup) => `test/setup/${setup}.ts`),
      // How long a test takes is up to the machine, which may be busy.
      testTimeout: 300_000,
      hookTimeout: 300_000,
      isolate: name !== "unit"
    }
  }
}

export default defineConfig({
  test: {
    projects: [project("unit"), project("contract"), project("binary"), project("faults"), project("docs")],
    reporters: ["default", "./test/setup/skipped.ts"],
    // The tests wait for processes as much as they compute.
    maxWorkers: Math.max(2, availableParallelism()),
    passWithNoTests: !runsDefault,
    coverage: {
      provider: "v8",
      include: ["**/packages/*/src/**/*.ts"],
      reporter: ["text", "json-summary"]
    }
  }
})
