import { E2B, type Sandbox } from "e2b"

/**
 * What somebody who knows the `e2b` SDK writes to put many questions to a few sandboxes: the reference that the pool
 * is held against. Plain promises on purpose.
 */

/** Where the server is, and what goes into each sandbox. */
export interface Setting {
  readonly url: string
  readonly apiKey: string
  readonly size: number
  /** How many sandboxes are being made at a time. */
  readonly launchConcurrency: number
  /** Paths relative to the home folder. */
  readonly files: ReadonlyArray<{ readonly path: string; readonly data: string }>
}

/** An answer and how long it took, in milliseconds. */
export interface Answer {
  readonly text: string
  readonly millis: number
}

const program = "node .agent/sample-agent.mjs"

/** Runs `task` for every item, that many at a time, and keeps the order. */
const each = async <A, B>(
  items: ReadonlyArray<A>,
  width: number,
  task: (item: A, worker: number) => Promise<B>
): Promise<Array<B>> => {
  const results: Array<B> = []
  let next = 0
  const worker = async (_: unknown, number: number) => {
    while (next < items.length) {
      const index = next++
      // oxlint-disable-next-line no-await-in-loop -- a worker does one after the other
      results[index] = await task(items[index]!, number)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  return results
}

const furnished = async (client: E2B, { files }: Setting, made: (sandbox: Sandbox) => void) => {
  const sandbox = await client.Sandbox.create("base", { timeoutMs: 600_000 })
  made(sandbox)
  await sandbox.files.write(files.map(({ data, path }) => ({ path, data })))
  await sandbox.commands.run(`${program} --health`)
  return sandbox
}

/** Sandboxes in which the sample agent is ready. When one of them cannot be made, none is left. */
export const launch = async (setting: Setting): Promise<ReadonlyArray<Sandbox>> => {
  const { apiKey, launchConcurrency, size, url } = setting
  const client = new E2B({ apiKey, apiUrl: url, sandboxUrl: url, retries: 0 })
  const made: Array<Sandbox> = []
  try {
    return await each(Array.from({ length: size }), launchConcurrency, () =>
      furnished(client, setting, (sandbox) => made.push(sandbox))
    )
  } catch (error) {
    await kill(made)
    throw error
  }
}

/** Puts the questions to whichever sandbox is free; answers are in the order of the questions. */
export const query = (
  sandboxes: ReadonlyArray<Sandbox>,
  questions: ReadonlyArray<string>
): Promise<Array<Answer>> =>
  each(
    questions.map((text, index) => ({ text, index })),
    sandboxes.length,
    async ({ index, text }, worker) => {
      const started = performance.now()
      const sandbox = sandboxes[worker]!
      await sandbox.files.write("request.json", JSON.stringify({ id: `raw-${index}`, query: text }))
      const { stdout } = await sandbox.commands.run(`${program} --request request.json`)
      const result: unknown = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")
      return { text: answerOf(result), millis: performance.now() - started }
    }
  )

const answerOf = (result: unknown): string =>
  typeof result === "object" && result !== null && "answer" in result && typeof result.answer === "string"
    ? result.answer
    : ""

/** Ends them all. */
export const kill = async (sandboxes: ReadonlyArray<Sandbox>): Promise<void> => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.kill()))
}
