import { assert, describe, it } from "@effect/vitest"
import { FetchFailure } from "@remote-agent/domain"
import { Effect } from "effect"
import { once } from "node:events"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"

const coded = (code: string, cause?: unknown) => Object.assign(new Error(code, { cause }), { code })

/** The rejection of `fetch` by a server that treats its connections so, or by a port without a listener. */
const rejection = async (closes: boolean): Promise<unknown> => {
  const server = createServer((socket) => {
    socket.on("error", () => {})
    socket.once("data", () => socket.resetAndDestroy())
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a listening server of TCP has one
  const { port } = server.address() as AddressInfo
  if (closes) {
    server.close()
    await once(server, "close")
  }
  try {
    return await fetch(`http://127.0.0.1:${port}`).then(
      () => undefined,
      (cause: unknown) => cause
    )
  } finally {
    server.close()
  }
}

describe("mayBeSent", () => {
  it("is false only for the codes of connections that were never made, at any depth", () => {
    for (const code of [
      "ECONNREFUSED",
      "ENOTFOUND",
      "EAI_AGAIN",
      "EHOSTUNREACH",
      "UND_ERR_CONNECT_TIMEOUT"
    ]) {
      assert.isFalse(FetchFailure.mayBeSent(coded(code)), code)
      assert.isFalse(FetchFailure.mayBeSent(new TypeError("fetch failed", { cause: coded(code) })), code)
      assert.isFalse(
        FetchFailure.mayBeSent(new Error("", { cause: new AggregateError([coded(code)]) })),
        code
      )
    }
    for (const code of ["ECONNRESET", "EPIPE", "ETIMEDOUT", "UND_ERR_SOCKET", "UND_ERR_HEADERS_TIMEOUT"]) {
      assert.isTrue(FetchFailure.mayBeSent(new TypeError("fetch failed", { cause: coded(code) })), code)
    }
    assert.isTrue(FetchFailure.mayBeSent(coded("ECONNRESET", coded("ECONNREFUSED"))), "the outer code counts")
    for (const cause of [undefined, "ECONNREFUSED", { code: "ECONNREFUSED" }, new AggregateError([])]) {
      assert.isTrue(FetchFailure.mayBeSent(cause))
    }
  })

  it("ends for an error that is its own cause", () => {
    const error = new Error("round")
    error.cause = error
    assert.isTrue(FetchFailure.mayBeSent(error))
  })

  it.effect("classifies real failures of fetch", () =>
    Effect.gen(function* () {
      assert.isFalse(FetchFailure.mayBeSent(yield* Effect.promise(() => rejection(true))))
      const cut = yield* Effect.promise(() => rejection(false))
      assert.instanceOf(cut, TypeError)
      assert.isTrue(FetchFailure.mayBeSent(cut))
    })
  )
})
