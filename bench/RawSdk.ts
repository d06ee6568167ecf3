import { E2B, type Sandbox } from "e2b"

/**
 * Sends many questions to a few sandboxes with the `e2b` SDK alone, as a user of the SDK would write it by hand. It is the
 * reference for the pool, and it uses plain promises on purpose.
 */

/** The address of the server, and the files of each sandbox. */
export interface Setting {
  readonly url: string
  readonly apiKey: string
  readonly size: number
  /** The maximum number of concurrent create requests. */
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

/** Runs `task` for every item, `width` at a time, and keeps the order. */
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
      // oxlint-disable-next-line no-await-in-loop -- a worker runs its tasks in sequence
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

/** Creates sandboxes with the sample agent. If one of them fails, all are killed. */
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

/** Sends each question to the next free sandbox. The answers are in the order of the questions. */
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

/** Terminates all sandboxes. */
export const kill = async (sandboxes: ReadonlyArray<Sandbox>): Promise<void> => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.kill()))
}
