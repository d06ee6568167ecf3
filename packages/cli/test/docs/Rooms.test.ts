import { assert, describe, it } from "@effect/vitest"
import { allowedIn, violations } from "../../../../scripts/RoomCheck.ts"

const room = (name: string, mayImport: string): readonly [string, string] => [
  `packages/orchestrator/src/${name}/README.md`,
  `# ${name}\n\nMay import ${mayImport}. Start in its first file.\n`
]

const file = (path: string, ...imports: ReadonlyArray<string>): readonly [string, string] => [
  `packages/orchestrator/src/${path}`,
  imports.map((name) => `import * as X from "${name}"\n`).join("")
]

const inOrder = [
  room("state", "`@remote-agent/domain`"),
  room("agents", "`state`"),
  file("state/StateStore.ts", "@remote-agent/domain"),
  file("state/internal/rows.ts"),
  [
    "packages/orchestrator/src/state/internal/README.md",
    "# rows\n\nMay import `state`. Start in rows.\n"
  ] as const,
  file("agents/Agents.ts", "../state/StateStore.ts")
]

describe("The check of rooms", () => {
  it("accepts imports that go down", () => {
    assert.deepStrictEqual(violations(new Map(inOrder)), [])
  })

  it("refuses an import that goes up, and names the file and the circle", () => {
    const found = violations(
      new Map([...inOrder, file("state/StateStore.ts", "@remote-agent/domain", "../agents/Agents.ts")])
    )
    assert.deepStrictEqual(found, [
      "packages/orchestrator/src/state/StateStore.ts: imports packages/orchestrator/src/agents/Agents.ts, which the README of its room does not allow",
      "orchestrator/state -> orchestrator/agents: a circle of rooms (packages/orchestrator/src/state/StateStore.ts)",
      "orchestrator/agents -> orchestrator/state: a circle of rooms (packages/orchestrator/src/agents/Agents.ts)"
    ])
  })

  it("refuses a package that stands above, and a path into another package", () => {
    const found = violations(
      new Map([
        ...inOrder,
        file("agents/Agents.ts", "@remote-agent/cli"),
        file("state/StateStore.ts", "../../../domain/src/Id.ts")
      ])
    )
    assert.deepStrictEqual(found, [
      "packages/orchestrator/src/state/StateStore.ts: reaches into packages/domain/src/Id.ts; import the package",
      "packages/orchestrator/src/agents/Agents.ts: imports @remote-agent/cli, which stands above orchestrator"
    ])
  })

  it("refuses a room without a README, a crowded room and a long file", () => {
    const many = Array.from({ length: 13 }, (_, index) => file(`pools/${index}.ts`))
    const long = ["packages/orchestrator/src/state/Long.ts", "\n".repeat(400) + "x"] as const
    assert.deepStrictEqual(violations(new Map([...inOrder, ...many, long])), [
      "packages/orchestrator/src/pools: 13 files, at most 12 in a room",
      "packages/orchestrator/src/state/Long.ts: 401 lines, at most 400 in a file",
      "packages/orchestrator/src/pools: has no README.md"
    ])
  })

  it("reads the names in the sentence of a README, and no others", () => {
    assert.deepStrictEqual(
      allowedIn("# x\n\nHolds `a`. May import `b`,\n`c/d/` and `@remote-agent/domain`. Start in `e`."),
      ["b", "c/d", "@remote-agent/domain"]
    )
    assert.isUndefined(allowedIn("# x\n\nHolds `a`."))
  })
})
