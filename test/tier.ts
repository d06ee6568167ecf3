/**
 * How much of the tests runs: `REMOTE_AGENT_TESTS` is `full` for all there is, `rest` for what `full` has and a run
 * without it has not, and unset for what everybody runs.
 */
import { randomInt } from "node:crypto"
import { env } from "node:process"

const tiers = ["default", "full", "rest"] as const

type Tier = (typeof tiers)[number]

const asked = env["REMOTE_AGENT_TESTS"] || "default"
const known = tiers.find((one) => one === asked)
if (known === undefined) throw new Error(`REMOTE_AGENT_TESTS is ${asked}; it may be full or rest.`)

const tier: Tier = known

/** Whether that runs which everybody runs. */
export const runsDefault = tier !== "rest"

/** Whether that runs which takes long. */
export const runsRest = tier !== "default"

/** Some for everybody, all in full. */
export const amount = (some: number, all: number): number => (runsRest ? all : some)

/** How many bytes a large payload has: more than any chunk on its way, and in full more than any buffer. */
export const payload: number = amount(2_000_000, 50_000_000)

const from = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index)

/**
 * The seeds that run: the first `some` of `all` for everybody, in the rest the others, and as many again that nobody has
 * tried. `FAULTS_SEED` is one to replay, as a failure names it, and `FAULTS_SCHEDULES` how many from there on.
 */
export const seeds = ({
  all,
  some
}: {
  readonly some: number
  readonly all: number
}): ReadonlyArray<number> => {
  const replayed = env["FAULTS_SEED"]
  if (replayed !== undefined) return from(Number(replayed), Number(env["FAULTS_SCHEDULES"] ?? 1))
  const first = runsDefault ? from(1, some) : []
  return runsRest ? [...first, ...from(1 + some, all - some), ...from(randomInt(all, 1e9), some)] : first
}

/** Seeds as ranges, for the name of a test. */
export const nameOf = (numbers: ReadonlyArray<number>): string => {
  const starts = numbers.filter((number, index) => numbers[index - 1] !== number - 1)
  return starts
    .map((start) => {
      const at = numbers.indexOf(start)
      const length = numbers.slice(at).findIndex((number, index) => number !== start + index)
      return `${start} to ${start + (length < 0 ? numbers.length - at : length) - 1}`
    })
    .join(" and ")
}
