import { Clock, Effect, FileSystem, Path } from "effect"
import { spawnSync } from "node:child_process"
import * as ColdStart from "./ColdStart.ts"
import { BenchBroken, type Outcome } from "./Report.ts"

/** The options of the benchmark. */
export interface Options {
  /** The root of the repository. */
  readonly root: string
  /** The number of files that are copied. */
  readonly files: number
  readonly rounds: number
}

const broken = (detail: string) => new BenchBroken({ benchmark: "cp", detail })

/** A program of the shell, whose `"$@"` runs the binary. */
const shell = Effect.fnUntraced(function* (cwd: string, script: string, binary: string) {
  const before = yield* Clock.currentTimeNanos
  // Synchronous, so that this process does no other work meanwhile.
  const { status, stderr } = spawnSync(
    "bash",
    ["-o", "pipefail", "-c", script, "bash", process.execPath, binary],
    {
      cwd,
      encoding: "utf8",
      env: { ...process.env, REMOTE_AGENT_DATA: `${cwd}/data`, XDG_CACHE_HOME: `${cwd}/data` }
    }
  )
  const after = yield* Clock.currentTimeNanos
  if (status !== 0) return yield* broken(`${script} failed: ${stderr}`)
  return Number(after - before) / 1e6
})

const folderOf = Effect.fnUntraced(function* (folder: string, files: number) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  for (let index = 0; index < files; index++) {
    const below = path.join(folder, `part-${index % 50}`)
    if (index < 50) yield* fs.makeDirectory(below, { recursive: true })
    yield* fs.writeFileString(path.join(below, `file-${index}`), `${index}\n`.repeat(200))
  }
})

const reference = (what: string, of: ReadonlyArray<number>) => ({ name: `tar | exec, ${what}`, samples: of })

/** Copies a folder of small files into a sandbox and out of it, with `cp` and with tar through `exec`, alternately. */
export const run = Effect.fn("bench.cp")(function* ({ files, root, rounds }: Options) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  const binary = path.join(root, ColdStart.bundle)
  yield* ColdStart.prepare(root)
  const cwd = yield* fs.makeTempDirectoryScoped({ prefix: "bench-cp-" })
  yield* folderOf(path.join(cwd, "all"), files)
  const does = (script: string) => shell(cwd, script, binary)
  yield* Effect.acquireRelease(does('"$@" launch --name bench'), () =>
    Effect.orDie(does('"$@" terminate bench && "$@" local stop --yes'))
  )
  const samples = {
    in: new Array<number>(),
    tarIn: new Array<number>(),
    out: new Array<number>(),
    tarOut: new Array<number>()
  }
  for (let round = 0; round < rounds; round++) {
    samples.in.push(yield* does(`"$@" cp all bench:in-${round}`))
    samples.tarIn.push(
      yield* does(`tar -c all | "$@" exec bench -- sh -c 'mkdir tar-${round} && tar -x -C tar-${round}'`)
    )
    samples.out.push(yield* does(`"$@" cp bench:in-${round} out-${round}`))
    samples.tarOut.push(
      yield* does(`mkdir tar-${round} && "$@" exec bench -- tar -c -C in-${round} . | tar -x -C tar-${round}`)
    )
    yield* does(`diff -r all out-${round}`)
  }
  return {
    measures: [
      {
        name: `cp: ${files} small files into a sandbox`,
        unit: "ms",
        ours: samples.in,
        reference: reference("in", samples.tarIn),
        aim: { kind: "cost", atMost: 1.5 }
      },
      {
        name: `cp: ${files} small files out of a sandbox`,
        unit: "ms",
        ours: samples.out,
        reference: reference("out", samples.tarOut),
        aim: { kind: "cost", atMost: 1.5 }
      }
    ],
    notes: []
  } satisfies Outcome
}, Effect.scoped)
