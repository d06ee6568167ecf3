import { assert, describe, it } from "@effect/vitest"
import { RemoteAgentConfig, StateLocation } from "@remote-agent/domain"
import { Effect, Option, Redacted, Schema } from "effect"

const show = (text: string) =>
  Option.match(StateLocation.parse(text), {
    onNone: () => "nothing",
    onSome: (location) => {
      switch (location._tag) {
        case "Memory":
          return "memory"
        case "File":
          return `file ${location.path}`
        case "Postgres":
          return `postgres ${Redacted.value(location.url)}`
      }
    }
  })

const read = (value: string) =>
  RemoteAgentConfig.RemoteAgentConfig.pipe(
    Effect.provide(RemoteAgentConfig.layerFrom({ REMOTE_AGENT_STATE: value }))
  )

describe("StateLocation", () => {
  it("parses memory, paths and addresses", () => {
    const examples = {
      memory: "memory",
      "./memory": "file ./memory",
      "state.db": "file state.db",
      "/a b/état.db": "file /a b/état.db",
      "C:\\state.db": "file C:\\state.db",
      "file:///a%20b/c.db": "file /a b/c.db",
      "file:///bad%": "nothing",
      "file:///a%FFb": "nothing",
      "file://host/a": "nothing",
      "postgres://u:p@db/x?sslmode=require": "postgres postgres://u:p@db/x?sslmode=require",
      "postgresql://db": "postgres postgresql://db",
      "postgres://": "nothing",
      "postgres:///x": "nothing",
      "postgres:///x?host=db": "postgres postgres:///x?host=db",
      "mysql://db/x": "nothing",
      "https://db/x": "nothing",
      "": "nothing",
      " ": "nothing",
      "a\0b": "nothing"
    }
    for (const [text, location] of Object.entries(examples)) assert.strictEqual(show(text), location)
  })

  it.effect("never shows a password, valid or not", () =>
    Effect.gen(function* () {
      const right = yield* read("postgres://u:hunter2@db/x")
      assert.strictEqual(right.REMOTE_AGENT_STATE?._tag, "Postgres")
      assert.notInclude(JSON.stringify(right), "hunter2")
      const wrong = yield* Effect.flip(read("mysql://u:hunter2@db/x"))
      assert.include(wrong.message, "REMOTE_AGENT_STATE is not valid")
      assert.notInclude(wrong.message, "hunter2")
      assert.isTrue(RemoteAgentConfig.settings.REMOTE_AGENT_STATE.secret)
    })
  )
})

describe("StateLocation.parse", () => {
  it.effect.prop("never throws, and takes every path as it is", [Schema.String], ([text]) =>
    Effect.sync(() => {
      const parsed = StateLocation.parse(text)
      if (text.trim() === "" || text.includes("\0")) return assert.isTrue(Option.isNone(parsed))
      if (text !== "memory" && !text.includes("://")) {
        assert.deepStrictEqual(Option.getOrThrow(parsed), { _tag: "File", path: text })
      }
    })
  )

  it.effect.prop("reads the path of a file address", [Schema.String], ([text]) =>
    Effect.sync(() => {
      const path = `/${text.toWellFormed().replaceAll(/[\0\\]/g, "")}`
      const parsed = StateLocation.parse(`file://${path.split("/").map(encodeURIComponent).join("/")}`)
      // An address resolves dots, and starts a host after a second slash.
      if (!/(?:^|\/)\.{1,2}(?:\/|$)/.test(path)) {
        assert.deepStrictEqual(Option.getOrThrow(parsed), { _tag: "File", path })
      }
    })
  )
})
