import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule, Stream } from "effect"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { JobFrames } from "../../src/job/JobFrames.ts"
import { withArguments } from "../../src/job/scripts.ts"

const tools = ["bash", "dd", "stat", "tr", "base64", "perl"]

/** A folder that has links to some programs, to be the whole `PATH`. */
const pathWith = (folder: string, names: ReadonlyArray<string>): string => {
  const path = Path.join(folder, "bin")
  Fs.mkdirSync(path)
  for (const name of names) {
    const found = ["/usr/bin", "/bin"].map((at) => Path.join(at, name)).find((at) => Fs.existsSync(at))
    if (found !== undefined) Fs.symlinkSync(found, Path.join(path, name))
  }
  return path
}

/** The second word of `/proc/PID/stat` may contain anything, so words are counted from its end. */
const bornAt = (pid: number): string =>
  Fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ")[19] ?? ""

/** A job whose supervisor is this process. */
const jobIn = (folder: string): string => {
  const job = Path.join(folder, "job")
  Fs.mkdirSync(job)
  for (const name of ["stdout", "stderr"]) Fs.writeFileSync(Path.join(job, name), "")
  Fs.writeFileSync(Path.join(job, "pid"), `${process.pid} ${bornAt(process.pid)}\n`)
  return job
}

const temporary = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "reader-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

const hex = (text: string) => Buffer.from(text).toString("hex")

const end = (job: string, sizes: string) => {
  Fs.writeFileSync(Path.join(job, "exit.part"), `0 exited ${sizes}\n`)
  Fs.renameSync(Path.join(job, "exit.part"), Path.join(job, "exit"))
}

/** The processes of this machine that name the folder in their arguments. */
const processesOf = (job: string): ReadonlyArray<string> =>
  Fs.readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && Fs.readFileSync(`/proc/${name}/cmdline`, "utf8").includes(job)
    } catch {
      return false
    }
  })

const cases: ReadonlyArray<readonly [how: string, names: ReadonlyArray<string>]> = [
  ["is told of changes", tools],
  ["looks again and again without perl", tools.filter((name) => name !== "perl")]
]

describe.skipIf(process.platform !== "linux")("reader.sh", () => {
  for (const [how, names] of cases) {
    it.effect(`${how}, prints each piece once, and leaves no process`, () =>
      Effect.gen(function* () {
        const folder = yield* temporary
        const job = jobIn(folder)
        const reader = yield* Effect.acquireRelease(
          Effect.sync(() =>
            spawn("/bin/bash", ["-c", withArguments("reader", [job, 0, 0, 1e6, 60])], {
              env: { PATH: pathWith(folder, names) },
              stdio: ["ignore", "pipe", "inherit"]
            })
          ),
          (process) => Effect.sync(() => process.kill("SIGKILL"))
        )
        const frames = new JobFrames({ stdout: 0, stderr: 0 })
        const seen: Array<string> = []
        const words: Array<string> = []
        // Each step follows on what the reader printed because of the one before.
        const steps: ReadonlyArray<() => void> = [
          () => Fs.appendFileSync(Path.join(job, "stdout"), "one"),
          () => Fs.appendFileSync(Path.join(job, "stderr"), "two\n"),
          () => Fs.appendFileSync(Path.join(job, "stdout"), Buffer.from([0, 1, 255])),
          () => end(job, "6 4")
        ]
        let step = 0
        // The reader's standard output ends only when every process that has it has ended.
        yield* Stream.runForEach(
          Stream.orDie(Stream.fromAsyncIterable(reader.stdout, String)),
          (chunk: Buffer) =>
            Effect.sync(() => {
              for (const frame of frames.push(chunk.toString())) {
                if (frame._tag === "Broken") assert.fail("the reader printed something else")
                if (frame._tag === "Words") words.push(frame.words.join(" "))
                if ("bytes" in frame) seen.push(`${frame._tag} ${Buffer.from(frame.bytes).toString("hex")}`)
                if (frame._tag !== "Words") steps[step++]?.()
              }
            })
        )
        assert.deepStrictEqual(seen, [`Stdout ${hex("one")}`, `Stderr ${hex("two\n")}`, "Stdout 0001ff"])
        assert.deepStrictEqual(
          words.filter((line) => line !== "beat"),
          ["exit 0 exited 6 4  "]
        )
        const left = yield* Effect.sync(() => processesOf(job)).pipe(
          Effect.repeat({ until: (found) => found.length === 0, schedule: Schedule.spaced("20 millis") })
        )
        assert.deepStrictEqual(left, [])
      })
    )
  }
})
