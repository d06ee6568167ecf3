import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { resolve } from "../../../src/memory/internal/files.ts"

const Path = Schema.Array(Schema.Union([Schema.Literals(["..", ".", "", "/", "a", "b c"]), Schema.String]))

it.effect.prop("resolves any path to an absolute one without dots", [Path, Path], ([folder, path]) =>
  Effect.sync(() => {
    const absolute = resolve(`/${folder.join("/")}`, path.join("/"))
    assert.isTrue(absolute.startsWith("/"))
    assert.isFalse(absolute.split("/").some((part) => part === "." || part === ".."))
    assert.notMatch(absolute, /\/\/|.\/$/)
    assert.strictEqual(resolve("/other", absolute), absolute)
  })
)
