/**
 * A client in a process of its own: reads a job from its beginning and prints one line per event, with the cursor.
 * Arguments: the address of the server, the sandbox, the job. The key is in the environment.
 */
import { Id } from "@remote-agent/domain"
import { E2b, Job, Sandboxes } from "@remote-agent/sandbox"
import { Effect, Redacted, Stream } from "effect"
import { writeSync } from "node:fs"

const [, , url = "", sandboxId = "", id = ""] = process.argv

const program = Effect.gen(function* () {
  const { sandbox } = yield* (yield* Sandboxes.Sandboxes).connect(Id.SandboxId.make(sandboxId), "5 minutes")
  const ref = yield* Job.attach(sandbox, id)
  yield* Stream.runForEach(Job.read(sandbox, ref), (event) =>
    Effect.sync(() => {
      if (event._tag !== "Stdout" && event._tag !== "Stderr") return
      const { stderr, stdout } = event.cursor
      writeSync(1, `${event._tag} ${stdout} ${stderr} ${Buffer.from(event.bytes).toString("base64")}\n`)
    })
  )
}).pipe(
  Effect.provide(
    E2b.layer({ apiKey: Redacted.make(process.env["JOB_CLIENT_KEY"] ?? ""), apiUrl: url, sandboxUrl: url })
  )
)

await Effect.runPromise(program)
