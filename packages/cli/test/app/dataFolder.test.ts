import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { CommandHost } from "@remote-agent/cli"
import { Effect, Layer } from "effect"
import { chmod, mkdir, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as DataFolder from "../../src/app/dataFolder.ts"
import * as Paths from "../../src/app/paths.ts"
import { folder } from "../support/support.ts"

const at = (env: Readonly<Record<string, string>>) =>
  Paths.dataFolder({ env, home: "/home/somebody", cwd: "/work" })

const ensure = (dataFolder: string) =>
  DataFolder.ensure.pipe(
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        Layer.succeed(CommandHost.CommandHost, {
          env: {},
          cwd: "/",
          dataFolder,
          interactive: false,
          log: () => undefined,
          command: ["false"],
          leftovers: () => undefined
        })
      )
    )
  )

describe("the data folder", () => {
  it("is the one that is named, else that of the user", () => {
    assert.strictEqual(at({}), "/home/somebody/.local/share/remote-agent")
    assert.strictEqual(at({ XDG_DATA_HOME: "/data" }), "/data/remote-agent")
    assert.strictEqual(at({ XDG_DATA_HOME: "data" }), "/home/somebody/.local/share/remote-agent")
    assert.strictEqual(at({ XDG_DATA_HOME: "/data", REMOTE_AGENT_DATA: "/mine" }), "/mine")
    assert.strictEqual(at({ REMOTE_AGENT_DATA: "mine" }), "/work/mine")
    assert.strictEqual(at({ REMOTE_AGENT_DATA: "" }), "/home/somebody/.local/share/remote-agent")
  })

  it.live("is made for its user alone, with what is above it, and taken as it is the next time", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "not", "there")
      for (const _ of ["made", "found"]) {
        assert.strictEqual(yield* ensure(path), path)
        assert.strictEqual((yield* Effect.promise(() => stat(path))).mode & 0o777, 0o700)
      }
    })
  )

  it.live("is refused when others can write in it, or a file is in its place", () =>
    Effect.gen(function* () {
      const parent = yield* folder
      const [open, file] = [join(parent, "open"), join(parent, "file")]
      yield* Effect.promise(async () => {
        await mkdir(open)
        await chmod(open, 0o777)
        await writeFile(file, "")
      })
      for (const path of [open, file, join(file, "below")]) {
        const { _tag, message } = yield* Effect.flip(ensure(path))
        assert.strictEqual(_tag, "Usage")
        assert.include(message, path)
        assert.include(message, "REMOTE_AGENT_DATA")
      }
    })
  )
})
