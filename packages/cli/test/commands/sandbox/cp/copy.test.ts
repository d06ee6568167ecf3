import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, type Scope, Stream } from "effect"
import { execFileSync } from "node:child_process"
import { existsSync, lstatSync, statSync } from "node:fs"
import { chmod, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Header, pack as makePack } from "tar-stream"
import { copy } from "../../../../src/commands/sandbox/cp/copy.ts"
import { here } from "../../../../src/commands/sandbox/cp/here.ts"
import { staysInside } from "../../../../src/commands/sandbox/cp/tar/safePaths.ts"
import { pack } from "../../../../src/commands/sandbox/cp/tar/pack.ts"
import { empty } from "../../../../src/commands/sandbox/cp/tar/report.ts"
import { Unpacking } from "../../../../src/commands/sandbox/cp/tar/Unpacking.ts"
import type { Failure } from "../../../../src/ui/Failure.ts"
import { folder } from "../../../support/support.ts"

const limits = { bytes: 64 * 1024 * 1024, entries: 10_000 }

const test = (
  name: string,
  body: (cwd: string) => Effect.Effect<void, Failure, NodeServices.NodeServices | Scope.Scope>
) => it.live(name, () => Effect.flatMap(folder, body).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

const copied = Effect.fnUntraced(function* (cwd: string, from: string, to: string, force = false) {
  const [side, report] = [yield* here(cwd, limits), empty()]
  yield* copy([side, from], [side, to], force, report)
  return report
})

describe("a copy", () => {
  test("keeps bytes, names, programs, empty folders and the links that stay inside", (cwd) =>
    Effect.gen(function* () {
      const long = "é".repeat(110)
      const large = Buffer.from(Array.from({ length: 3_000_001 }, (_, index) => (index * 7919) % 256))
      yield* Effect.promise(async () => {
        await mkdir(join(cwd, "from", "deep", "empty"), { recursive: true })
        await mkdir(join(cwd, "from", long))
        await writeFile(join(cwd, "from", long, "a $ 'name'\nof two lines"), "x")
        await writeFile(join(cwd, "from", "deep", "large"), large)
        await writeFile(join(cwd, "from", "program"), "#!/bin/sh\n")
        await writeFile(join(cwd, "from", "nothing"), "")
        await chmod(join(cwd, "from", "program"), 0o750)
        await symlink("../program", join(cwd, "from", "deep", "up"))
        await symlink("large", join(cwd, "from", "deep", "beside"))
        await symlink("/etc/passwd", join(cwd, "from", "absolute"))
        await symlink("../other", join(cwd, "from", "out"))
        execFileSync("sh", ["-c", 'mkfifo "$0"', join(cwd, "from", "pipe")])
      })
      const { bytes, files, skipped } = yield* copied(cwd, "from", "to")
      assert.deepStrictEqual([files, bytes], [6, 3_000_001 + 11])
      // Entries are read ahead, so these come in any order.
      assert.deepStrictEqual(skipped.map(({ path, why }) => `${why} ${path}`).toSorted(), [
        "link /absolute",
        "link /out",
        "special /pipe"
      ])
      yield* Effect.promise(async () => {
        assert.isTrue((await readFile(join(cwd, "to", "deep", "large"))).equals(large))
        assert.strictEqual(await readFile(join(cwd, "to", long, "a $ 'name'\nof two lines"), "utf8"), "x")
        assert.strictEqual(await readlink(join(cwd, "to", "deep", "up")), "../program")
        assert.strictEqual(await readlink(join(cwd, "to", "deep", "beside")), "large")
        assert.isTrue(statSync(join(cwd, "to", "deep", "empty")).isDirectory())
        assert.strictEqual(statSync(join(cwd, "to", "program")).mode & 0o111, 0o111)
        assert.strictEqual(statSync(join(cwd, "to", "nothing")).mode & 0o111, 0)
        assert.notInclude((await readdir(cwd)).join(" "), ".part")
      })
    }))

  test("skips a file whose name is not UTF-8, and copies the others", (cwd) =>
    Effect.gen(function* () {
      yield* Effect.promise(async () => {
        await mkdir(join(cwd, "from", "deep"), { recursive: true })
        await writeFile(
          Buffer.concat([Buffer.from(join(cwd, "from", "deep", "caf")), Buffer.from([0xe9])]),
          "x"
        )
        await writeFile(join(cwd, "from", "deep", "\uFFFD"), "a name of its own")
        await writeFile(join(cwd, "from", "a"), "a")
      })
      const { files, skipped } = yield* copied(cwd, "from", "to")
      assert.deepStrictEqual([files, skipped], [2, [{ path: "/deep/caf\uFFFD", why: "name" }]])
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(cwd, "to", "deep"))), ["\uFFFD"])
    }))

  test("replaces a file in one step, and a folder only when it is forced to", (cwd) =>
    Effect.gen(function* () {
      yield* Effect.promise(async () => {
        await mkdir(join(cwd, "from"))
        await writeFile(join(cwd, "from", "a"), "new")
        await mkdir(join(cwd, "place", "from"), { recursive: true })
        await writeFile(join(cwd, "place", "from", "old"), "old")
        await writeFile(join(cwd, "place", "a"), "old")
      })
      yield* copied(cwd, "from/a", "place")
      assert.strictEqual(yield* Effect.promise(() => readFile(join(cwd, "place", "a"), "utf8")), "new")
      const refused = yield* Effect.result(copied(cwd, "from", "place"))
      assert.isTrue(Result.isFailure(refused))
      assert.isTrue(existsSync(join(cwd, "place", "from", "old")))
      yield* copied(cwd, "from", "place", true)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(cwd, "place", "from"))), ["a"])
    }))

  test("packs a tree of many files without holding it in memory", (cwd) =>
    Effect.promise(async () => {
      await writeFile(join(cwd, "large"), Buffer.alloc(64 * 1024 * 1024))
      const [report, sizes] = [empty(), new Array<number>()]
      for await (const piece of pack(join(cwd, "large"), "file", report)) sizes.push(piece.length)
      assert.strictEqual(report.bytes, 64 * 1024 * 1024)
      assert.isAtMost(Math.max(...sizes), 5 * 1024 * 1024)
    }))
})

type Sent = Partial<Header> & { readonly name: string; readonly content?: string }

/** The archive that a sandbox sends. */
const archiveOf = async (entries: ReadonlyArray<Sent>): Promise<Buffer> => {
  const archive = makePack()
  for (const { content = "", ...header } of entries) {
    if ((header.type ?? "file") === "file") archive.entry(header, content)
    else archive.entry(header)
  }
  archive.finalize()
  const parts: Array<Uint8Array> = []
  for await (const part of archive) if (part instanceof Uint8Array) parts.push(part)
  return Buffer.concat(parts)
}

const make = (entries: ReadonlyArray<Sent>) => Effect.promise(() => archiveOf(entries))

/** What the copy of this archive to `target` does. */
const received = Effect.fnUntraced(function* (
  cwd: string,
  archive: Uint8Array,
  { size = 1000, type = "folder" }: { readonly size?: number; readonly type?: "file" | "folder" } = {}
) {
  const [side, report] = [yield* here(cwd, { bytes: 1000, entries: 20 }), empty()]
  const pieces = Array.from({ length: Math.ceil(archive.length / size) }, (_, index) =>
    archive.subarray(index * size, (index + 1) * size)
  )
  const ended = yield* Effect.result(
    side.unpack(Stream.fromIterable(pieces), type, join(cwd, "target"), report)
  )
  return { failure: Result.isFailure(ended) ? ended.failure.message : undefined, report }
})

describe("the archive of a hostile sandbox", () => {
  const refusedNames = ["../out", "a/../../out", "/tmp/remote-agent-out", "a//b", "a/./b", ".."]
  for (const name of refusedNames) {
    test(`cannot write to ${JSON.stringify(name)}`, (cwd) =>
      Effect.gen(function* () {
        const archive = yield* Effect.promise(() => archiveOf([{ name, content: "x" }]))
        const { failure } = yield* received(cwd, archive)
        assert.include(failure ?? "", "which no file can have")
        assert.deepStrictEqual(yield* Effect.promise(() => readdir(cwd)), [])
        assert.isFalse(existsSync("/tmp/remote-agent-out"))
      }))
  }

  test("cannot write through a link that it sent before, in any order", (cwd) =>
    Effect.gen(function* () {
      const through = yield* Effect.promise(() =>
        archiveOf([
          { name: "inner", type: "symlink", linkname: "sub" },
          { name: "inner/file", content: "x" }
        ])
      )
      // The folder takes the place, and the link is refused.
      assert.include((yield* received(cwd, through)).failure ?? "", "target")
      assert.isFalse(lstatSync(join(cwd, "target", "inner")).isSymbolicLink())
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(cwd)), ["target"])
    }))

  test("sends links that lead out, devices and pipes in vain, and links between its files with success", (cwd) =>
    Effect.gen(function* () {
      const archive = yield* Effect.promise(() =>
        archiveOf([
          { name: "./", type: "directory" },
          { name: "./sub/file", content: "x", mode: 0o4777 },
          { name: "./hard", type: "link", linkname: "./sub/file" },
          { name: "./to-nothing", type: "link", linkname: "./missing" },
          { name: "./good", type: "symlink", linkname: "sub/file" },
          { name: "./absolute", type: "symlink", linkname: "/etc/passwd" },
          { name: "./sub/up", type: "symlink", linkname: "../../out" },
          { name: "./sub/behind", type: "symlink", linkname: "file/../../../out" },
          { name: "./null", type: "character-device", devmajor: 1, devminor: 3 },
          { name: "./disk", type: "block-device" },
          { name: "./pipe", type: "fifo" }
        ])
      )
      const { failure, report } = yield* received(cwd, archive)
      assert.isUndefined(failure)
      assert.deepStrictEqual(
        report.skipped.map(({ path, why }) => `${why} ${path.replace("./", "")}`),
        [
          "link /to-nothing",
          "link /absolute",
          "link /sub/up",
          "link /sub/behind",
          "special /null",
          "special /disk",
          "special /pipe"
        ]
      )
      const found = yield* Effect.promise(() => readdir(join(cwd, "target"), { recursive: true }))
      assert.deepStrictEqual(found.toSorted(), ["good", "hard", "sub", "sub/file"])
      assert.strictEqual(statSync(join(cwd, "target", "sub", "file")).mode & 0o7000, 0)
    }))

  test("cannot link to a file outside, not even as another name of it", (cwd) =>
    Effect.gen(function* () {
      yield* Effect.promise(() => writeFile(join(cwd, "secret"), "secret"))
      const archive = yield* Effect.promise(() =>
        archiveOf([{ name: "copy", type: "link", linkname: "../secret" }])
      )
      assert.include((yield* received(cwd, archive)).failure ?? "", "which no file can have")
    }))

  test("cannot send a name twice, more bytes or entries than the limit, or half of an archive", (cwd) =>
    Effect.gen(function* () {
      const failureOf = Effect.fnUntraced(function* (archive: Uint8Array) {
        const { failure } = yield* received(yield* folder, archive)
        return failure ?? ""
      })
      const twice = yield* make([
        { name: "a", content: "1" },
        { name: "a", content: "2" }
      ])
      assert.include(yield* failureOf(twice), "twice")
      const heavy = yield* make([
        { name: "a", content: "x".repeat(600) },
        { name: "b", content: "x".repeat(600) }
      ])
      assert.include(yield* failureOf(heavy), "more than 1000 bytes")
      const many = yield* make(Array.from({ length: 21 }, (_, index) => ({ name: `${index}` })))
      assert.include(yield* failureOf(many), "more than 20 entries")
      const good = yield* make([{ name: "a", content: "x".repeat(600) }])
      assert.include(yield* failureOf(good.subarray(0, 700)), "no complete archive")
      assert.include(yield* failureOf(Buffer.alloc(2048, "nonsense")), "no complete archive")
      const isFile = yield* make([
        { name: "a", content: "1" },
        { name: "b", content: "2" }
      ])
      const file = yield* received(yield* folder, isFile, { type: "file" })
      assert.include(file.failure ?? "", "not the one file")
      assert.isTrue(existsSync(cwd))
    }))

  test("keeps its names in pieces of any size, and reports those that are not UTF-8", (cwd) =>
    Effect.gen(function* () {
      const name = `${"字".repeat(60)}/${"é".repeat(90)}`
      const gnu = yield* Effect.promise(async () => {
        await mkdir(join(cwd, "from", name.slice(0, 60)), { recursive: true })
        await writeFile(join(cwd, "from", name), "x")
        await writeFile(Buffer.concat([Buffer.from(join(cwd, "from", "caf")), Buffer.from([0xe9])]), "x")
        return execFileSync("tar", ["-c", "-f", "-", "-C", join(cwd, "from"), "."])
      })
      for (const size of [1, 511, 100_000]) {
        const own = yield* folder
        const { failure, report } = yield* received(own, gnu, { size })
        assert.isUndefined(failure)
        assert.strictEqual(yield* Effect.promise(() => readFile(join(own, "target", name), "utf8")), "x")
        assert.deepStrictEqual(report.skipped, [{ path: "/caf\uFFFD", why: "name" }])
      }
    }))

  test("has no effect after the copy was stopped", (cwd) =>
    Effect.promise(async () => {
      const archive = await archiveOf([
        { name: "a", content: "1" },
        { name: "b", content: "2" }
      ])
      const unpacking = new Unpacking(join(cwd, "target"), "folder", limits, empty())
      await unpacking.feed(archive.subarray(0, 600))
      await unpacking.close()
      assert.notInclude(await readdir(join(cwd, "target")), "b")
    }))
})

it("knows the links that stay in a folder", () => {
  for (const [target, depth] of [
    ["a", 0],
    ["a/b", 0],
    ["./a", 0],
    ["../a", 1],
    ["..", 1],
    [".", 0],
    ["..a", 0],
    ["../../a/b", 2]
  ] as const) {
    assert.isTrue(staysInside(target, depth), target)
  }
  for (const [target, depth] of [
    ["", 0],
    ["/a", 5],
    ["..", 0],
    ["../a", 0],
    ["../../a", 1],
    ["a/..", 5],
    ["a/../../b", 5],
    ["./../a", 0],
    ["a\0", 0]
  ] as const) {
    assert.isFalse(staysInside(target, depth), target)
  }
})
