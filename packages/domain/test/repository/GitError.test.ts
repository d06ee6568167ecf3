import { assert, describe, it } from "@effect/vitest"
import { GitError } from "@remote-agent/domain"
import { Effect, Schema } from "effect"

const codec = Schema.toCodecJson(GitError.GitError)

/** The reasons whose texts come from a repository or from a caller. */
const foreign = (text: string): ReadonlyArray<GitError.Reason> => [
  new GitError.NonFastForward({ branch: text }),
  new GitError.Conflict({ paths: [text, text] }),
  new GitError.RefNotFound({ ref: text }),
  new GitError.FileTooLarge({ path: text, bytes: 2, limitBytes: 1 }),
  new GitError.NotARepository({ dir: text }),
  new GitError.CacheFailed({ path: text })
]

describe("GitError", () => {
  it.effect.prop("survives JSON", [GitError.Reason, GitError.Operation], ([reason, operation]) =>
    Effect.gen(function* () {
      const error = GitError.fail(operation, reason)
      const text = JSON.stringify(yield* Schema.encodeEffect(codec)(error))
      const back = yield* Schema.decodeUnknownEffect(codec)(JSON.parse(text))
      assert.strictEqual(back.message, error.message)
    })
  )

  it.effect.prop("quotes names in one short line without control characters", [Schema.String], ([text]) =>
    Effect.sync(() => {
      for (const reason of foreign(text.repeat(20))) {
        assert.notMatch(reason.message, /[\p{Cc}\u2028\u2029]/u)
        assert.isBelow(reason.message.length, 2000)
      }
    })
  )
})
