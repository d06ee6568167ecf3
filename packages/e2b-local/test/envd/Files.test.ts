import { payload, runsRest } from "#test/tier"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import {
  AuthenticationError,
  FileNotFoundError,
  FileType,
  InvalidArgumentError,
  NotEnoughSpaceError,
  SandboxError
} from "e2b"
import {
  failure,
  modes,
  noise,
  output,
  perMode,
  sandbox,
  sdk,
  serverLayer,
  byMode,
  isolated
} from "../support/support.ts"

const MB = 1_000_000
const bufferOf = (bytes: Uint8Array) => new Uint8Array(bytes).buffer
const sameBytes = (actual: Uint8Array, expected: Uint8Array) =>
  assert.strictEqual(Buffer.compare(actual, expected), 0, "the bytes differ")

byMode(modes, "files", (mode) => {
  layer(serverLayer({ isolation: mode, limits: { fileBytes: 60 * MB } }), {
    excludeTestServices: true,
    timeout: "60 seconds"
  })((it) => {
    it.effect("are written and read, relative to the home, with missing folders", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const home = yield* output(box, "pwd")
        const written = yield* sdk(() => box.files.write("a/b/c.txt", "héllo"))
        assert.deepStrictEqual(
          [written.name, written.type, written.path],
          ["c.txt", "file", `${home}/a/b/c.txt`]
        )
        assert.strictEqual(yield* sdk(() => box.files.read(`${home}/a/b/c.txt`)), "héllo")
        assert.strictEqual(yield* sdk(() => box.files.read("~/a/../a/b/c.txt")), "héllo")
        assert.strictEqual(yield* output(box, "cat a/b/c.txt"), "héllo")
        yield* sdk(() => box.files.write("a/b/c.txt", "x"))
        assert.strictEqual(yield* sdk(() => box.files.read("a/b/c.txt")), "x")
        yield* sdk(() => box.files.write("empty", ""))
        assert.strictEqual(yield* sdk(() => box.files.read("empty")), "")
        assert.strictEqual((yield* sdk(() => box.files.read("empty", { format: "bytes" }))).length, 0)
      })
    )

    it.effect("have any name that a file system takes", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        for (const name of [
          "-rf",
          "sp ace",
          "new\nline",
          "quo'te\"s",
          "$(touch pwned)",
          "*",
          "é\u{1F600}",
          "tab\t",
          "trail ",
          "a\\b"
        ]) {
          yield* sdk(() => box.files.write(`names/${name}`, name))
          assert.strictEqual(yield* sdk(() => box.files.read(`names/${name}`)), name)
          assert.strictEqual((yield* sdk(() => box.files.getInfo(`names/${name}`))).name, name)
          yield* sdk(() => box.files.rename(`names/${name}`, `moved/${name}`))
          assert.deepStrictEqual(
            (yield* sdk(() => box.files.list("moved"))).map((entry) => entry.name),
            [name]
          )
          yield* sdk(() => box.files.remove(`moved/${name}`))
        }
        assert.isFalse(yield* sdk(() => box.files.exists("pwned")))
        assert.deepStrictEqual(yield* sdk(() => box.files.list("names")), [])
      })
    )

    it.effect("are written in batches, binary and text", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const binary = new Uint8Array([0, 255, 10, 13, 0, 128, 45, 45])
        const infos = yield* sdk(() =>
          box.files.writeFiles([
            { path: "batch/one", data: "1" },
            { path: "batch/two.bin", data: bufferOf(binary) },
            { path: "batch/three", data: new Blob(["three"]) }
          ])
        )
        assert.deepStrictEqual(
          infos.map((info) => info.name),
          ["one", "two.bin", "three"]
        )
        sameBytes(yield* sdk(() => box.files.read("batch/two.bin", { format: "bytes" })), binary)
        assert.strictEqual(yield* sdk(() => box.files.read("batch/three")), "three")
      })
    )

    it.effect("are described with type, size, mode and time", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const home = yield* output(box, "pwd")
        yield* sdk(() =>
          box.commands.run(
            "mkdir -p d/e; printf 12345 > d/f; chmod 640 d/f; ln -s f d/link; ln -s nowhere d/broken"
          )
        )
        const info = yield* sdk(() => box.files.getInfo("d/f"))
        assert.deepInclude(info, {
          name: "f",
          type: FileType.FILE,
          path: `${home}/d/f`,
          size: 5,
          mode: 0o640,
          permissions: "-rw-r-----"
        })
        assert.strictEqual(info.owner, yield* output(box, "id -un"))
        const modified = Number(yield* output(box, "stat -c %Y d/f"))
        assert.strictEqual(Math.floor((info.modifiedTime?.getTime() ?? 0) / 1000), modified)
        const link = yield* sdk(() => box.files.getInfo("d/link"))
        assert.deepInclude(link, { type: FileType.FILE, symlinkTarget: `${home}/d/f` })
        const list = yield* sdk(() => box.files.list("d"))
        assert.deepStrictEqual(
          list.map((entry) => `${entry.type} ${entry.name}`),
          ["dir e", "file f", "file link"]
        )
        yield* sdk(() => box.files.write("d/e/deep", "x"))
        assert.lengthOf(yield* sdk(() => box.files.list("d", { depth: 2 })), 4)
        assert.strictEqual((yield* sdk(() => box.files.getInfo("."))).path, home)
      })
    )

    it.effect("are made, moved and removed with the answers of envd", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        assert.isTrue(yield* sdk(() => box.files.makeDir("m/n")))
        assert.isFalse(yield* sdk(() => box.files.makeDir("m/n")))
        yield* sdk(() => box.files.write("file", "f"))
        assert.instanceOf(yield* failure(() => box.files.makeDir("file")), InvalidArgumentError)
        const moved = yield* sdk(() => box.files.rename("file", "new/place"))
        assert.strictEqual(moved.name, "place")
        assert.isFalse(yield* sdk(() => box.files.exists("file")))
        yield* sdk(() => box.files.rename("m", "new/m"))
        assert.isTrue(yield* sdk(() => box.files.exists("new/m/n")))
        yield* sdk(() => box.files.remove("new"))
        yield* sdk(() => box.files.remove("new"))
        assert.isFalse(yield* sdk(() => box.files.exists("new")))
        assert.instanceOf(yield* failure(() => box.files.rename("nothing", "x")), FileNotFoundError)
      })
    )

    it.effect("are refused with the error of envd", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* sdk(() => box.files.makeDir("folder"))
        yield* sdk(() => box.files.write("file", "f"))
        assert.instanceOf(yield* failure(() => box.files.read("missing")), FileNotFoundError)
        assert.instanceOf(yield* failure(() => box.files.list("missing")), FileNotFoundError)
        assert.instanceOf(yield* failure(() => box.files.getInfo("missing")), FileNotFoundError)
        assert.instanceOf(yield* failure(() => box.files.read("folder")), InvalidArgumentError)
        assert.instanceOf(yield* failure(() => box.files.list("file")), InvalidArgumentError)
        assert.instanceOf(yield* failure(() => box.files.write("folder", "x")), InvalidArgumentError)
        assert.instanceOf(yield* failure(() => box.files.write("file/below", "x")), SandboxError)
        assert.instanceOf(yield* failure(() => box.files.write("x".repeat(300), "x")), InvalidArgumentError)
        assert.instanceOf(yield* failure(() => box.files.read("nul\0byte")), InvalidArgumentError)
        assert.instanceOf(yield* failure(() => box.files.exists("nul\0byte")), InvalidArgumentError)
        assert.instanceOf(yield* failure(() => box.files.read("file", { user: "none" })), AuthenticationError)
        assert.instanceOf(yield* failure(() => box.files.list(".", { user: "none" })), AuthenticationError)
        assert.strictEqual(yield* sdk(() => box.files.read("file")), "f")
      })
    )

    it.effect("never lead out of the sandbox", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* sdk(() =>
          box.commands.run(
            "ln -s /etc etc; ln -s /etc/shadow shadow; ln -s ../../../../../../../../etc/shadow up"
          )
        )
        for (const path of [
          "/etc/shadow",
          "shadow",
          "up",
          "etc/shadow",
          "../../../../../../../etc/shadow",
          "/proc/1/root/etc/shadow"
        ]) {
          const error = yield* failure(() => box.files.read(path))
          assert.instanceOf(error, SandboxError, path)
        }
        for (const path of [
          "/etc/planted",
          "etc/planted",
          "../../../../../../../etc/planted",
          "/usr/planted"
        ]) {
          assert.instanceOf(yield* failure(() => box.files.write(path, "x")), SandboxError, path)
        }
        // Removing a link leaves what it leads to.
        yield* sdk(() => box.files.remove("etc"))
        assert.strictEqual(yield* output(box, "[ -e /etc/passwd ] && echo there"), "there")
      })
    )
  })
})

// In full they are larger than any buffer, whatever the form.
const forms = runsRest ? perMode : byMode

forms(modes, "large files", (mode) => {
  layer(serverLayer({ isolation: mode, limits: { fileBytes: 60 * MB } }), {
    excludeTestServices: true,
    timeout: "60 seconds"
  })((it) => {
    it.effect("come back byte by byte, as a form and as a stream", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const bytes = noise(payload)
        yield* sdk(() => box.files.write("stream.bin", new Blob([bufferOf(bytes)]).stream()))
        sameBytes(yield* sdk(() => box.files.read("stream.bin", { format: "bytes" })), bytes)
        yield* sdk(() => box.files.write("form.bin", bufferOf(bytes)))
        assert.strictEqual(yield* output(box, "cmp stream.bin form.bin && stat -c %s form.bin"), `${payload}`)
      })
    )
  })
})

byMode(isolated, "files of a sandbox", (mode) => {
  layer(serverLayer({ isolation: mode, limits: { fileBytes: 60 * MB } }), {
    excludeTestServices: true,
    timeout: "60 seconds"
  })((it) => {
    it.effect("do not outgrow the disk or the limit", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        assert.instanceOf(yield* failure(() => box.files.write("/dev/full", "x")), NotEnoughSpaceError)
        const tooLarge = new Blob([bufferOf(new Uint8Array(70 * MB))])
        assert.instanceOf(
          yield* failure(() => box.files.write("large", tooLarge.stream())),
          NotEnoughSpaceError
        )
        assert.instanceOf(yield* failure(() => box.commands.run("head -c 70000000 /dev/zero > large")), Error)
        assert.strictEqual(
          yield* output(box, "[ $(stat -c %s large) -le 60000256 ] && echo bounded"),
          "bounded"
        )
      })
    )
  })
})
