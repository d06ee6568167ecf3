import { E2bServer } from "@remote-agent/e2b-local"
import { Effect, Redacted } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run } from "./paper.ts"

/** The questions in the file of a scene: two that the sample agent can answer, and one that it cannot. */
export const questions = ["TSLA revenue 2024", "AAPL revenue 2024", "What is love?"]

/** A folder with a file of questions, and commands in it whose agents run on a server of the test. */
export const scene = Effect.gen(function* () {
  const { apiKey, url } = yield* E2bServer.E2bServer
  const cwd = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "remote-agent-runs-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )
  yield* Effect.promise(() => writeFile(join(cwd, "questions.txt"), `${questions.join("\r\n\n")}\n`))
  const env = {
    REMOTE_AGENT_PROVIDER: "e2b",
    E2B_API_KEY: Redacted.value(apiKey),
    E2B_API_URL: url,
    E2B_SANDBOX_URL: url
  }
  const call = (...args: ReadonlyArray<string>) => run(args, { cwd, env })
  return { call, cwd }
})
