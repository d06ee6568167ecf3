import type { SandboxError } from "@remote-agent/domain"
import { E2bServer } from "@remote-agent/e2b-local"
import { LocalSandboxes, Sandboxes } from "@remote-agent/sandbox"
import { Clock, Console, Effect } from "effect"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { BenchBroken, type Measure, type Outcome, percentile } from "./Report.ts"

/** The options of the benchmark. */
export interface Options {
  /** The numbers of sandboxes to create at once. */
  readonly atOnce: ReadonlyArray<number>
  readonly rounds: number
}

const broken = (detail: string) => new BenchBroken({ benchmark: "create", detail })

const script = "echo ready"

/** The same process started by hand, with the isolation that the server would use. */
const byHand: Record<"bubblewrap" | "namespaces" | "none", readonly [string, ...ReadonlyArray<string>]> = {
  bubblewrap: [
    "bwrap",
    ..."--unshare-user --unshare-pid --unshare-ipc --unshare-uts --die-with-parent".split(" "),
    ..."--ro-bind / / --tmpfs /home --dir /home/user --dev /dev --proc /proc bash -l -c".split(" "),
    script
  ],
  namespaces: [
    "unshare",
    "-U",
    "-r",
    "-m",
    "-p",
    "-i",
    "-u",
    "-f",
    "--mount-proc",
    "bash",
    "-l",
    "-c",
    script
  ],
  none: ["bash", "-l", "-c", script]
}

const timed = Effect.fnUntraced(function* <E, R>(echo: Effect.Effect<string, E, R>) {
  const before = yield* Clock.currentTimeNanos
  const said = yield* echo
  const after = yield* Clock.currentTimeNanos
  return said.trim() === "ready" ? Number(after - before) / 1e6 : yield* broken(`echo said "${said}"`)
})

const times = <E, R>(count: number, one: Effect.Effect<number, E, R>) =>
  Effect.replicateEffect(one, count, { concurrency: count })

/** Creates many at once with one form of isolation, and measures each from its first request to its first line. */
const measured = Effect.fnUntraced(function* ({
  atOnce,
  rounds
}: Options): Effect.fn.Return<
  Outcome,
  BenchBroken | SandboxError.SandboxError,
  Sandboxes.Sandboxes | E2bServer.E2bServer
> {
  const { isolation } = yield* E2bServer.E2bServer
  const sandboxes = yield* Sandboxes.Sandboxes
  const [program, ...args] = byHand[isolation]
  const ours = Effect.scoped(
    timed(
      Effect.flatMap(sandboxes.create({ ttl: "10 minutes" }), (sandbox) =>
        Effect.map(sandbox.exec({ script }), ({ stdout }) => stdout)
      )
    )
  )
  const hand = timed(
    Effect.tryPromise({
      try: () =>
        promisify(execFile)(program, [...args], { env: { PATH: "/usr/bin:/bin", HOME: "/home/user" } }),
      catch: (cause) => broken(`${program} failed: ${String(cause)}`)
    }).pipe(Effect.map(({ stdout }) => stdout))
  )
  // The first of each is not counted: it reads its files into the file cache.
  yield* times(1, ours)
  yield* times(1, hand)
  const measures: Array<Measure> = []
  for (const count of atOnce) {
    const [mine, theirs] = [new Array<number>(), new Array<number>()]
    const turns = Math.max(rounds, Math.ceil(20 / count))
    for (let round = 0; round < turns; round++) {
      mine.push(...(yield* times(count, ours)))
      theirs.push(...(yield* times(count, hand)))
    }
    yield* Console.error(`create: ${isolation}, ${count} at once, ${turns} rounds`)
    const row = (
      name: string,
      part: (samples: ReadonlyArray<number>) => ReadonlyArray<number>,
      aim?: Measure["aim"]
    ): Measure => ({
      name: `create to first echo, ${isolation}, ${count} at once${name}`,
      unit: "ms",
      ours: part(mine),
      reference: { name: program, samples: part(theirs) },
      aim
    })
    measures.push(
      row(", p50", (all) => all, { kind: "cost", atMost: 2.5 }),
      row(", p99", (all) => [percentile(all, 0.99)])
    )
  }
  const left = yield* Effect.flatMap(E2bServer.E2bServer, ({ live }) => live)
  if (left > 0) return yield* broken(`${left} sandboxes are left`)
  return { measures, notes: [] } satisfies Outcome
})

/** Measures every form of isolation that works on this machine. */
export const run = Effect.fn("bench.create")(function* (options: Options) {
  const outcomes = yield* Effect.forEach(["bubblewrap", "namespaces"] as const, (isolation) =>
    measured(options).pipe(
      Effect.provide(LocalSandboxes.layer({ isolation })),
      Effect.catchReason("SandboxError", "IsolationUnavailable", () =>
        Effect.succeed<Outcome>({ measures: [], notes: [`create: ${isolation} does not work here.`] })
      )
    )
  )
  return {
    measures: outcomes.flatMap(({ measures }) => measures),
    notes: outcomes.flatMap(({ notes }) => notes)
  } satisfies Outcome
})
