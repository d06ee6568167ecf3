import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { ofExit, permissionsOf } from "../../../src/isolation/fileErrors.ts"
import { compareBySegment, parseEntries } from "../../../src/isolation/namespace/files.ts"
import { endEvent } from "../../../src/sandboxes/ProcessTable.ts"

const exited = (code: number) => ({ code, signal: null })

const fields = (path: string) => [
  path,
  "f",
  "f",
  "12",
  "640",
  "user",
  "user",
  "1700000000.1234567890",
  "",
  "",
  "",
  "61=62,63=c3a9"
]

describe("the reason of a failed script", () => {
  it.effect("follows from the exit status, then from the end of the message of the C library", () =>
    Effect.sync(() => {
      assert.strictEqual(ofExit(exited(44), ""), "NotFound")
      assert.strictEqual(ofExit(exited(45), ""), "Exists")
      assert.strictEqual(ofExit(exited(153), ""), "NoSpace")
      for (const [line, reason] of [
        ["cat: write error: No space left on device", "NoSpace"],
        ["mkdir: cannot create directory '/etc/x': Read-only file system", "Denied"],
        ["sh: 1: cannot open /x: Permission denied", "Denied"],
        ["mkdir: cannot create directory '/a/b': Not a directory", "NotDirectory"],
        ["first: Permission denied\nstat: cannot statx '/x': No such file or directory\n", "NotFound"],
        ["stat: cannot statx '/x': File name too long", "Invalid"],
        ["something else", "Failed"],
        ["", "Failed"]
      ] as const) {
        assert.strictEqual(ofExit(exited(1), line), reason, line)
      }
    })
  )

  it.effect("is not misled by the name of a file", () =>
    Effect.sync(() => {
      const line = "cat: '/home/user/No space left on device': Permission denied"
      assert.strictEqual(ofExit(exited(1), line), "Denied")
    })
  )
})

describe("parseEntries", () => {
  const Name = Schema.String.pipe(
    Schema.check(
      Schema.makeFilter(
        (text: string) => text !== "" && !text.includes("\0") && !text.includes("/") && text.isWellFormed()
      )
    )
  )

  it.effect.prop("reads back any name, and leaves out what was cut off", [Schema.Array(Name)], ([names]) =>
    Effect.sync(() => {
      const output = names.flatMap((name) => fields(`/home/user/${name}`)).map((field) => `${field}\0`)
      const whole = parseEntries(Buffer.from(output.join("")))
      assert.deepStrictEqual(
        whole.map((entry) => entry.path),
        names.map((name) => `/home/user/${name}`)
      )
      const cut = parseEntries(Buffer.from(output.slice(0, -1).join("")))
      assert.lengthOf(cut, Math.max(0, names.length - 1))
    })
  )

  it.effect("gives a link the type of its target, and the time to the nanosecond", () =>
    Effect.sync(() => {
      const link = ["/a/l", "l", "d", "3", "777", "u", "g", "1700000000.1234567890", "../b", "/b", "755", ""]
      const broken = ["/a/x", "l", "N", "3", "777", "u", "g", "0", "none", "/a/x", "0", "61=62,63=c3a9"]
      const [first, second] = parseEntries(
        Buffer.from([...link, ...broken].map((field) => `${field}\0`).join(""))
      )
      assert.deepInclude(first, {
        type: "FILE_TYPE_DIRECTORY",
        symlinkTarget: "/b",
        mode: 0o755,
        permissions: "Lrwxrwxrwx",
        modifiedTime: "2023-11-14T22:13:20.123456789Z"
      })
      assert.deepInclude(second, {
        type: "FILE_TYPE_UNSPECIFIED",
        symlinkTarget: "/a/x",
        mode: 0,
        metadata: { a: "b", c: "é" }
      })
    })
  )
})

describe("entries", () => {
  it.effect("have permissions in the form of Go", () =>
    Effect.sync(() => {
      assert.strictEqual(permissionsOf("f", 0o640), "-rw-r-----")
      assert.strictEqual(permissionsOf("d", 0o1777), "dtrwxrwxrwx")
      assert.strictEqual(permissionsOf("c", 0o666), "Dcrw-rw-rw-")
      assert.strictEqual(permissionsOf("f", 0o6755), "ugrwxr-xr-x")
    })
  )

  it.effect("are ordered as a walk of the tree", () =>
    Effect.sync(() => {
      const paths = ["/a.b", "/a/c", "/a", "/a/b/d", "/a/b"]
      assert.deepStrictEqual(paths.toSorted(compareBySegment), ["/a", "/a/b", "/a/b/d", "/a/c", "/a.b"])
    })
  )
})

describe("endEvent", () => {
  it.effect("reports exit codes and signals as envd does", () =>
    Effect.sync(() => {
      assert.deepStrictEqual(endEvent(exited(0)), {
        end: { exitCode: 0, exited: true, status: "exit status 0" }
      })
      assert.deepStrictEqual(endEvent(exited(7)), {
        end: { exitCode: 7, exited: true, status: "exit status 7", error: "exit status 7" }
      })
      assert.deepStrictEqual(endEvent({ code: null, signal: "SIGKILL" }), {
        end: { exitCode: -1, exited: false, status: "signal: killed", error: "signal: killed" }
      })
    })
  )
})
