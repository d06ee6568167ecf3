import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { CommandExitError, type Sandbox } from "e2b"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import {
  Server,
  failure,
  isolated,
  modes,
  output,
  perMode,
  sandbox,
  sdk,
  serverLayer,
  temporaryFolder
} from "../support/support.ts"

const SECRET = "fake-canary-of-the-host"

/** A folder of the host that sandboxes must neither read nor change, and what is in it now. */
const canary = Effect.gen(function* () {
  const folder = yield* Effect.flatMap(temporaryFolder, (path) => Effect.promise(() => Fs.realpath(path)))
  // As open as a file can be: nothing but the sandbox itself may stand between.
  yield* Effect.promise(async () => {
    await Fs.chmod(folder, 0o777)
    await Fs.writeFile(Path.join(folder, "file"), SECRET)
    await Fs.chmod(Path.join(folder, "file"), 0o666)
  })
  const untouched = Effect.promise(async () => {
    assert.deepStrictEqual(await Fs.readdir(folder), ["file"])
    assert.strictEqual(await Fs.readFile(Path.join(folder, "file"), "utf8"), SECRET)
  })
  return { folder, untouched }
})

/** All that the SDK can do with the path of a file in a folder. */
const attempts = (box: Sandbox, folder: string): ReadonlyArray<readonly [string, () => Promise<unknown>]> => {
  const file = `${folder}/file`
  return [
    ["read", () => box.files.read(file)],
    ["download", async () => fetch(await box.downloadUrl(file)).then((response) => response.text())],
    ["list", () => box.files.list(folder).then((entries) => entries.map(({ name }) => name).join())],
    ["info", () => box.files.getInfo(file)],
    ["watch", () => box.files.watchDir(folder, () => {}).then((handle) => handle.stop())],
    ["start in", () => box.commands.run("cat file", { cwd: folder })],
    ["rename away", () => box.files.rename(file, "taken")],
    ["remove", () => box.files.remove(file)],
    ["rename over", () => box.files.rename("mine", file)],
    ["rename into", () => box.files.rename("other", `${folder}/planted`)],
    ["makeDir", () => box.files.makeDir(`${folder}/planted`)],
    ["write", () => box.files.write(file, "planted", { useOctetStream: true })],
    ["write beside", () => box.files.write(`${folder}/planted`, "planted", { useOctetStream: true })],
    ["write below", () => box.files.write(`${folder}/new/planted`, "planted", { useOctetStream: true })],
    ["annotate", () => box.files.write(file, "planted", { metadata: { a: "b" }, useOctetStream: true })],
    [
      "upload",
      async () =>
        fetch(await box.uploadUrl(file), {
          method: "POST",
          headers: { "content-type": "application/octet-stream" },
          body: "planted"
        })
    ]
  ]
}

perMode(modes, "no path", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("leads out of a sandbox, however it is written and for every operation", () =>
      Effect.gen(function* () {
        const { folder, untouched } = yield* canary
        const up = "../".repeat(20)
        const ways = [
          folder,
          `${up}${folder.slice(1)}`,
          `real/../../${up}${folder.slice(1)}`,
          "link",
          "climbing",
          "real/inner",
          `/proc/1/root${folder}`,
          `/proc/self/root${folder}`,
          `/proc/self/cwd/${up}${folder.slice(1)}`,
          `/proc/${process.pid}/root${folder}`,
          `root${folder}`
        ]
        const tryAll = Effect.fnUntraced(function* (way: string) {
          const box = yield* sandbox()
          yield* output(
            box,
            `echo m > mine; echo o > other; ln -s '${folder}' link; ln -s '${up}${folder.slice(1)}' climbing; ln -s /proc/1/root root; mkdir -p real && ln -s ../link real/inner`
          )
          for (const [name, attempt] of attempts(box, way)) {
            // Without isolation commands see the host, which is what that word says.
            if (mode === "none" && (name === "start in" || name === "watch")) continue
            const answer = yield* Effect.promise(() => attempt().then(JSON.stringify, () => ""))
            assert.notInclude(answer ?? "", SECRET, `${name} ${way}`)
            if (name === "list") assert.notInclude(answer ?? "", "file", way)
            yield* untouched
          }
          const taken = yield* Effect.promise(() => box.files.read("taken").catch(() => ""))
          assert.notInclude(taken, SECRET, way)
        }, Effect.scoped)
        yield* Effect.forEach(ways, tryAll, { concurrency: 2, discard: true })
      })
    )
  })
})

perMode(isolated, "no race", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("leads out: a folder that becomes a link while it is used", () =>
      Effect.gen(function* () {
        const { folder, untouched } = yield* canary
        const { directory } = yield* Server
        const [server = ""] = yield* Effect.promise(() => Fs.readdir(directory))
        const other = yield* sandbox()
        yield* sdk(() => other.files.write("file", SECRET))
        const box = yield* sandbox()
        yield* output(box, "mkdir inside && echo mine > inside/file")
        const targets = [folder, Path.join(directory, server, other.sandboxId, "home")]
        yield* sdk(() =>
          box.commands.run(
            `while :; do for target in ${targets.map((target) => `'${target}'`).join(" ")}; do ln -sfn "$target" next && mv -T next swap; ln -sfn inside next && mv -T next swap; done; done`,
            { background: true, timeoutMs: 0 }
          )
        )
        for (let round = 0; round < 15; round++) {
          const read = yield* Effect.promise(() => box.files.read("swap/file").catch(() => ""))
          assert.notInclude(read, SECRET)
          yield* Effect.promise(() =>
            box.files.write("swap/file", "mine", { useOctetStream: true }).catch(() => undefined)
          )
          yield* Effect.promise(() => box.files.remove("swap/planted").catch(() => undefined))
          yield* Effect.promise(() => box.files.makeDir("swap/planted").catch(() => undefined))
        }
        // And a snapshot in the middle of it keeps the link, not what it leads to.
        const { client } = yield* Server
        const { snapshotId } = yield* sdk(() => box.createSnapshot())
        const copy = yield* sdk(() => client.Sandbox.create(snapshotId))
        assert.strictEqual(yield* output(copy, `grep -r ${SECRET} . || echo nothing`), "nothing")
        yield* sdk(() => copy.kill())
        yield* sdk(() => client.Sandbox.deleteSnapshot(snapshotId))
        yield* untouched
        assert.strictEqual(yield* sdk(() => other.files.read("file")), SECRET)
        assert.isFalse(yield* sdk(() => other.files.exists("planted")))
      })
    )

    it.effect("through /proc to a process or a file of the host", () =>
      Effect.gen(function* () {
        const { folder, untouched } = yield* canary
        const box = yield* sandbox()
        for (const command of [
          `cat '${folder}/file'`,
          `cat '/proc/1/root${folder}/file'`,
          `cat '/proc/${process.pid}/root${folder}/file'`,
          `for root in /proc/[0-9]*/root /proc/[0-9]*/cwd; do cat "$root${folder}/file" && exit 0; done 2>/dev/null; exit 1`,
          `echo planted > '${folder}/planted'`,
          `nsenter -t 1 -m cat '${folder}/file'`,
          `unshare -r sh -c "mount --bind / /mnt && cat /mnt${folder}/file"`
        ]) {
          const error = yield* failure(() => box.commands.run(command))
          assert.instanceOf(error, CommandExitError, command)
          if (error instanceof CommandExitError) assert.notInclude(error.stdout, SECRET)
        }
        yield* untouched
      })
    )
  })
})
