import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync } from "node:fs"
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { home, launch } from "../../support/agents.ts"
import { finish, type Ran, run, start } from "../../support/support.ts"
import { key, open } from "../../support/terminal.ts"

const limit = { timeout: 600_000 }

/** Runs the binary with standard input. */
const piped = (cwd: string, args: ReadonlyArray<string>, input: string | Uint8Array) =>
  Effect.promise<Ran>(() => {
    const child = start(cwd, args, {}, "pipe")
    child.stdin?.end(input)
    return finish(child)
  })

/** Runs the binary and returns its standard output as bytes. */
const bytesOf = (cwd: string, args: ReadonlyArray<string>) =>
  Effect.promise(
    () =>
      new Promise<Buffer>((resolve) => {
        const parts: Array<Buffer> = []
        const child = start(cwd, args)
        child.stdout?.on("data", (part: Buffer) => parts.push(part))
        child.on("close", () => resolve(Buffer.concat(parts)))
      })
  )

/** Every byte, in an order that is not text. */
const everyByte = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7919) % 256))

describe("exec", () => {
  it.live(
    "passes on arguments, input, output and the exit code as they are, and kills what takes too long",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* launch(cwd, "one")
      const words = ["a b", "$HOME", "'", "--json", "-n", ""]
      const printed = yield* run(cwd, ["exec", "one", "--", "printf", "[%s]", ...words])
      assert.strictEqual(printed.stderr, "")
      assert.deepStrictEqual([printed.code, printed.stdout], [0, words.map((word) => `[${word}]`).join("")])

      const failed = yield* run(cwd, ["exec", "one", "--", "sh", "-c", "echo out; echo err >&2; exit 7"])
      assert.deepStrictEqual([failed.code, failed.stdout, failed.stderr], [7, "out\n", "err\n"])

      const counted = yield* piped(cwd, ["exec", "one", "--json", "--", "wc", "-c"], "x".repeat(300_000))
      assert.deepStrictEqual(JSON.parse(counted.stdout), { exitCode: 0, stdout: "300000\n", stderr: "" })

      const late = yield* run(cwd, ["exec", "one", "--timeout", "1", "--json", "--", "sleep", "600"])
      assert.strictEqual(late.code, 124)
      assert.include(late.stdout, "WallTimedOut")
      const silent = yield* run(cwd, ["exec", "one", "--idle-timeout", "1", "--", "sleep", "600"])
      assert.strictEqual(silent.code, 124)
      assert.include(silent.stderr, "was silent for 1s and was killed")
      assert.strictEqual((yield* run(cwd, ["exec", "one", "--", "pgrep", "-x", "sleep"])).code, 1)

      // As a shell has it, and no code of this program.
      assert.strictEqual((yield* run(cwd, ["exec", "one", "--", "no-such-program"])).code, 127)
      assert.strictEqual((yield* run(cwd, ["exec", "one", "--", "/etc/passwd"])).code, 126)

      const elsewhere = ["exec", "one", "--cwd", "/tmp", "--user"]
      const moved = yield* run(cwd, [...elsewhere, "user", "--", "sh", "-c", "id -un; pwd"])
      assert.deepStrictEqual([moved.stdout, moved.stderr], ["user\n/tmp\n", ""])
      const stranger = yield* run(cwd, [...elsewhere, "stranger", "--json", "--", "pwd"])
      assert.strictEqual(stranger.code, 125)
      assert.include(stranger.stdout, `"reason":"InvalidRequest"`)
      assert.include(stranger.stderr, "invalid username: 'stranger'")

      const nobody = yield* run(cwd, ["exec", "nobody", "--", "true"])
      assert.deepStrictEqual([nobody.code, nobody.stdout], [125, ""])
      assert.include(nobody.stderr, "There is no agent nobody")
    }),
    limit
  )

  it.live(
    "passes on every byte both ways, and the exit code with them",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* launch(cwd, "one")
      const child = start(cwd, ["exec", "one", "--", "sh", "-c", "cat; echo err >&2; exit 7"], {}, "pipe")
      const parts: Array<Buffer> = []
      child.stdout?.on("data", (part: Buffer) => parts.push(part))
      const ended = finish(child)
      child.stdin?.end(everyByte)
      const { code, stderr } = yield* Effect.promise(() => ended)
      assert.deepStrictEqual([code, stderr], [7, "err\n"])
      assert.isTrue(Buffer.concat(parts).equals(everyByte))
    }),
    limit
  )

  it.live(
    "answers while its input is still open, and ends when the command does",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* launch(cwd, "one")
      const child = start(cwd, ["exec", "one", "--", "head", "-n", "1"], {}, "pipe")
      child.stdin?.write("first\n")
      // Standard input stays open until the command has ended.
      const { code, stdout } = yield* Effect.promise(() => finish(child))
      assert.deepStrictEqual([code, stdout], [0, "first\n"])
    }),
    limit
  )
})

describe("cp", () => {
  it.live(
    "copies files and folders both ways, byte by byte, with what can be run and without links",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* launch(cwd, "one")
      yield* Effect.promise(async () => {
        await mkdir(join(cwd, "data", "deep", "empty"), { recursive: true })
        await writeFile(join(cwd, "data", "deep", "bytes"), everyByte)
        await writeFile(join(cwd, "data", "a name with $ and 'quotes'"), "x")
        await writeFile(join(cwd, "data", "program"), "#!/bin/sh\necho ran\n")
        await chmod(join(cwd, "data", "program"), 0o755)
        await symlink("/etc/passwd", join(cwd, "data", "link"))
      })
      const into = yield* run(cwd, ["cp", "data", "one:work/in", "--json"])
      assert.strictEqual(into.code, 5, into.stderr + into.stdout)
      const copied: unknown = JSON.parse(into.stdout)
      assert.deepInclude(copied, { files: 3, skipped: ["/link"] })
      assert.strictEqual((yield* run(cwd, ["exec", "one", "--", "work/in/program"])).stdout, "ran\n")

      // Into a folder that is there, under its own name.
      assert.strictEqual((yield* run(cwd, ["cp", "one:work/in", "."])).code, 0)
      yield* Effect.promise(async () => {
        const back = join(cwd, "in")
        assert.deepStrictEqual((await readdir(back)).toSorted(), [
          "a name with $ and 'quotes'",
          "deep",
          "program"
        ])
        assert.isTrue((await readFile(join(back, "deep", "bytes"))).equals(everyByte))
        assert.isTrue((await stat(join(back, "deep", "empty"))).isDirectory())
        assert.strictEqual((await stat(join(back, "program"))).mode & 0o111, 0o111)
        assert.strictEqual((await stat(join(back, "deep", "bytes"))).mode & 0o111, 0)
        assert.notInclude((await readdir(cwd)).join(" "), ".part")
      })

      // A link to a device has no end, and a FIFO has no writer.
      yield* run(cwd, ["exec", "one", "--", "sh", "-c", "ln -s /dev/zero work/zero; mkfifo work/fifo"])
      for (const odd of ["zero", "fifo"]) {
        for (const to of [".", "-"]) {
          const refused = yield* run(cwd, ["cp", `one:work/${odd}`, to])
          assert.strictEqual(refused.code, 2, refused.stderr)
          assert.include(refused.stderr, "neither a file nor a folder")
        }
      }

      // A key is redacted although it arrives in pieces, also by exec in a pipe.
      const token = "ghp_fakeKeyInPieces1234567890"
      // The output is read in blocks of 49152 bytes, one of which ends within the key.
      const straddling = `head -c 49140 /dev/zero | tr '\\0' x; printf ${token}`
      const split = yield* run(cwd, ["exec", "one", "--", "sh", "-c", straddling], { GITHUB_TOKEN: token })
      assert.strictEqual(split.stdout, `${"x".repeat(49_140)}***`)
      yield* run(cwd, ["exec", "one", "--", "sh", "-c", `printf ${token} >keyed`])
      assert.strictEqual((yield* run(cwd, ["cp", "one:keyed", "-"], { GITHUB_TOKEN: token })).stdout, "***")

      // Several sources, `~`, and a link that stays inside.
      yield* Effect.promise(async () => {
        await writeFile(join(cwd, "b"), "b")
        await mkdir(join(cwd, "linked"))
        await writeFile(join(cwd, "linked", "file"), "c")
        await symlink("file", join(cwd, "linked", "link"))
      })
      const several = yield* run(cwd, ["cp", "b", "linked", "one:~/many/", "--json"])
      assert.strictEqual(several.code, 0, several.stderr)
      assert.deepInclude(JSON.parse(several.stdout), { files: 3, bytes: 2, skipped: [] })
      const listed = yield* run(cwd, ["exec", "one", "--", "sh", "-c", "cd many && cat b linked/link"])
      assert.strictEqual(listed.stdout, "bc")
      const out = yield* run(cwd, ["cp", "one:~/many/b", "one:many/linked", "got/"])
      assert.strictEqual(out.code, 0, out.stderr)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(cwd, "got", "linked"))), [
        "file",
        "link"
      ])
      assert.strictEqual((yield* run(cwd, ["cp", "b", "one:b", "."])).code, 2)
      const hidden = yield* run(cwd, [
        "exec",
        "one",
        "--",
        "sh",
        "-c",
        "find . /tmp -name '*.part*' 2>/dev/null"
      ])
      assert.strictEqual(hidden.stdout, "", "a part was left in the sandbox")

      const through = yield* piped(cwd, ["cp", "-", "one:piped"], everyByte)
      assert.strictEqual(through.code, 0, through.stderr)
      assert.isTrue((yield* bytesOf(cwd, ["cp", "one:piped", "-"])).equals(everyByte))
    }),
    limit
  )

  it.live(
    "leaves what is there as it is when it cannot be all of the copy, or would be lost",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* launch(cwd, "one")
      yield* Effect.promise(async () => {
        await mkdir(join(cwd, "place", "thing"), { recursive: true })
        await writeFile(join(cwd, "place", "thing", "kept"), "kept")
        await writeFile(join(cwd, "thing"), "file")
      })
      assert.strictEqual((yield* run(cwd, ["cp", "thing", "one:thing"])).code, 0)
      const refused = yield* run(cwd, ["cp", "one:thing", "place"])
      assert.strictEqual(refused.code, 2)
      assert.include(refused.stderr, "Give --force")
      assert.isTrue(existsSync(join(cwd, "place", "thing", "kept")))
      // The same in the other direction.
      assert.strictEqual((yield* run(cwd, ["cp", "place", "one:place"])).code, 0)
      assert.strictEqual((yield* run(cwd, ["cp", "thing", "one:place"])).code, 2)
      assert.strictEqual((yield* run(cwd, ["exec", "one", "--", "cat", "place/thing/kept"])).stdout, "kept")

      const missing = yield* run(cwd, ["cp", "one:missing", "place"])
      assert.strictEqual(missing.code, 3)
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(cwd, "place"))), ["thing"])
      const twice = yield* run(cwd, ["cp", "thing", "other"])
      assert.strictEqual(twice.code, 2)

      assert.strictEqual((yield* run(cwd, ["cp", "one:thing", "place", "--force"])).code, 0)
      assert.strictEqual(yield* Effect.promise(() => readFile(join(cwd, "place", "thing"), "utf8")), "file")
    }),
    limit
  )
})

describe("shell", () => {
  it.live(
    "is a terminal of the sandbox: its keys, its size, its end, and ours as it was before",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* launch(cwd, "one")
      const terminal = yield* open(cwd, ["shell", "one"], {}, "; echo after $?; stty -a")
      yield* terminal.sees("until exit or Ctrl-D")
      terminal.type("stty size; echo $((20 + 22)) $TERM; tty\n")
      yield* terminal.sees("40 100")
      yield* terminal.sees("42 xterm")
      yield* terminal.sees("/dev/pts/")
      const waits = 'sleep 600 & trap "stty size; kill $!; exit" WINCH; echo $((1 + 0))st; wait'
      terminal.type(`sh -c '${waits}'\n`)
      yield* terminal.sees("1st")
      yield* terminal.resize(71)
      yield* terminal.sees("40 71")
      // Unlike dash, bash keeps the default action of SIGINT, so the signal cannot be lost before `sleep` runs.
      terminal.type("bash -c 'echo $((1 + 1))nd; sleep 600'\n")
      yield* terminal.sees("2nd")
      terminal.type(key.ctrlC)
      // What is typed before the signal has done its work is thrown away with it.
      yield* terminal.sees("$ ")
      terminal.type("echo status $?\n")
      yield* terminal.sees("status 130")
      terminal.type("exit 5\n")
      yield* terminal.sees("after 5")
      // As it was: lines, echo, and signals of keys.
      yield* terminal.sees(/ icanon/)
      yield* terminal.sees(/ echo /)
      yield* terminal.ended
    }),
    limit
  )

  it.live(
    "starts in the folder and as the user that are named",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      yield* launch(cwd, "one")
      const terminal = yield* open(cwd, ["shell", "one", "--cwd", "/tmp", "--user", "user"])
      yield* terminal.sees("until exit or Ctrl-D")
      terminal.type("echo $(id -un):$(pwd)\n")
      yield* terminal.sees("user:/tmp")
      terminal.type(key.ctrlD)
      assert.strictEqual(yield* terminal.ended, 0)
      const stranger = yield* open(cwd, ["shell", "one", "--user", "stranger"])
      yield* stranger.sees("invalid username: 'stranger'")
      assert.strictEqual(yield* stranger.ended, 125)
    }),
    limit
  )

  it.live(
    "is refused in a pipe",
    Effect.fnUntraced(function* () {
      const cwd = yield* home
      const refused = yield* run(cwd, ["shell", "one"])
      assert.strictEqual(refused.code, 125)
      assert.include(refused.stderr, "needs a terminal")
    }),
    limit
  )
})
