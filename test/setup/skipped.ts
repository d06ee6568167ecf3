import type { Reporter, TestModule, Vitest } from "vitest/node"

/** Lists what was skipped, and why; not what somebody left out by a pattern of names. */
export default class Skipped implements Reporter {
  #vitest: Vitest | undefined

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
  }

  onTestRunEnd(modules: ReadonlyArray<TestModule>): void {
    if (this.#vitest?.config.testNamePattern !== undefined) return
    const skipped = modules.flatMap((module) =>
      [...module.children.allTests("skipped")].map((test) => {
        const result = test.result()
        const note = "note" in result ? result.note : undefined
        return `  ${module.relativeModuleId} > ${test.fullName}: ${note ?? test.meta().reason ?? "no reason is given"}`
      })
    )
    if (skipped.length > 0) process.stdout.write(`\nSkipped:\n${skipped.join("\n")}\n`)
  }
}
