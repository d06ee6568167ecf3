/** Cases for the ports of sandboxes. */
import { Effect, Redacted, Result, Stream } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { box, type Case, define, eventually, reasonOf, same, scripts } from "./case.ts"

/** Cases for the ports of sandboxes. */
export const cases: ReadonlyArray<Case> = [
  define("returns the address of a server in a sandbox, or fails with Unsupported", () =>
    Effect.gen(function* () {
      const sandbox = yield* box()
      const first = yield* Effect.result(sandbox.host(8080))
      if (Result.isFailure(first)) return yield* same(first.failure.reason._tag, "Unsupported", "the reason")
      yield* same(yield* reasonOf(sandbox.host(0)), "InvalidRequest", "the reason")
      yield* Effect.forkScoped(Stream.runDrain(sandbox.spawn({ script: scripts.web })))
      const listening = Effect.catchReason(
        sandbox.files.readString("port"),
        "SandboxError",
        "FileNotFound",
        () => Effect.succeed("")
      )
      yield* eventually(
        Effect.map(listening, (port) => port !== ""),
        "the server"
      )
      const { headers, url } = yield* sandbox.host(Number(yield* listening))
      const answer = HttpClient.get(`${url}/some/path?x=y`, {
        headers: Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, Redacted.value(value)])
        )
      }).pipe(
        Effect.flatMap((response) => response.text),
        Effect.orElseSucceed(() => ""),
        Effect.provide(FetchHttpClient.layer)
      )
      yield* eventually(
        Effect.map(answer, (body) => body === "/some/path?x=y"),
        "an answer"
      )
    })
  )
]
