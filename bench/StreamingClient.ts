/**
 * Reads the output of one command in a separate process, so that only the reader's memory is measured, and prints the
 * results as JSON. Arguments: the method, the address of the server, the sandbox and the number of bytes.
 */
import { Id } from "@remote-agent/domain"
import { E2bSandboxes, Job, type Sandbox, Sandboxes } from "@remote-agent/sandbox"
import { E2B } from "e2b"
import { Effect, Redacted, Stream } from "effect"

const [, , how = "", url = "", sandboxId = "", bytes = ""] = process.argv
const apiKey = process.env["BENCH_API_KEY"] ?? ""
const script = `yes 0123456789abcde | head -c ${bytes}`

let received = 0

const job = Effect.fnUntraced(function* (sandbox: Sandbox.Sandbox) {
  const ref = yield* Job.start(sandbox, { script })
  yield* Stream.runForEach(Job.read(sandbox, ref), (event) =>
    Effect.sync(() => {
      if ("bytes" in event) received += event.bytes.length
    })
  )
  yield* Job.remove(sandbox, ref)
})

const spawn = (sandbox: Sandbox.Sandbox) =>
  Stream.runForEach(sandbox.spawn({ script }), (event) =>
    Effect.sync(() => {
      if (event._tag === "Stdout") received += event.text.length
    })
  )

const ours = Effect.gen(function* () {
  const { sandbox } = yield* (yield* Sandboxes.Sandboxes).connect(Id.SandboxId.make(sandboxId), "1 hour")
  yield* how === "job" ? job(sandbox) : spawn(sandbox)
}).pipe(Effect.provide(E2bSandboxes.layer({ apiKey: Redacted.make(apiKey), apiUrl: url, sandboxUrl: url })))

const raw = async () => {
  const client = new E2B({ apiKey, apiUrl: url, sandboxUrl: url, retries: 0 })
  const sandbox = await client.Sandbox.connect(sandboxId)
  await sandbox.commands.run(script, {
    timeoutMs: 0,
    onStdout: (text) => {
      received += text.length
    }
  })
}

const started = performance.now()
await (how === "raw" ? raw() : Effect.runPromise(ours))
const millis = performance.now() - started
process.stdout.write(JSON.stringify({ received, millis, peak: process.resourceUsage().maxRSS * 1024 }))
