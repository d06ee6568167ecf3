import { assert, describe, it } from "@effect/vitest"
import { filesOf } from "../../../src/agents/files/patch.ts"
import { parentOf, sizeText, textIn, trailOf } from "../../../src/agents/files/paths.ts"

const patch = `diff --git a/src/a.ts b/src/a.ts
index 1..2 100644
--- a/src/a.ts
+++ b/src/a.ts
@@ -1,2 +1,3 @@
 same
-old
+new
++plus
diff --git a/logo.png b/logo.png
Binary files a/logo.png and b/logo.png differ
`

describe("The files of an agent", () => {
  it("have a trail of folders", () => {
    assert.deepStrictEqual(trailOf("/home/user"), [
      { name: "/", path: "/" },
      { name: "home", path: "/home" },
      { name: "user", path: "/home/user" }
    ])
    assert.deepStrictEqual(["/home/user", "/home", "/"].map(parentOf), ["/home", "/", "/"])
  })

  it("are text only if they are valid UTF-8 without a zero byte", () => {
    assert.strictEqual(textIn(new TextEncoder().encode("Zoë")), "Zoë")
    assert.isUndefined(textIn(new Uint8Array([65, 0, 66])))
    assert.isUndefined(textIn(new Uint8Array([0xff, 0xfe])))
    assert.deepStrictEqual([12, 2048, 5 * 1024 ** 2, 20 * 1024 ** 3].map(sizeText), [
      "12 B",
      "2.0 KiB",
      "5.0 MiB",
      "20 GiB"
    ])
  })

  it("are cut out of a patch with their changes", () => {
    const files = filesOf(patch)
    assert.deepStrictEqual(
      files.map(({ added, path, removed }) => [path, added, removed]),
      [
        ["src/a.ts", 2, 1],
        ["logo.png", 0, 0]
      ]
    )
    assert.deepStrictEqual(
      files[0]?.lines.map(({ kind }) => kind),
      ["place", "same", "removed", "added", "added"]
    )
  })
})
