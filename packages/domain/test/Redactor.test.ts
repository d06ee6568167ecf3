import { assert, describe, it } from "@effect/vitest"
import { Redactor } from "@remote-agent/domain"
import { Effect, Schema } from "effect"

// Keys have no surrounding blanks.
const Secret = Schema.String.check(Schema.isPattern(/^[^\s*]{6}/))

describe("Redactor", () => {
  it("replaces every secret, the longer before the shorter", () => {
    const mask = Redactor.make(["sk-fake-1234", "sk-fake-1234-5678"])
    assert.strictEqual(mask("a sk-fake-1234-5678 b sk-fake-1234 c"), "a *** b *** c")
  })

  it("finds a secret in JSON and in a URL", () => {
    const mask = Redactor.make(['fake"key\nwith+all'])
    assert.strictEqual(mask(JSON.stringify({ key: 'fake"key\nwith+all' })), '{"key":"***"}')
    assert.strictEqual(mask("https://x/?k=fake%22key%0Awith%2Ball"), "https://x/?k=***")
  })

  it("finds a secret in Base64, and single lines of a secret with several", () => {
    const mask = Redactor.make(["sk-fake-1234", "-----BEGIN-----\nfake-line-1\n-----END-----"])
    assert.strictEqual(mask(`Basic ${btoa("sk-fake-1234")}`), "Basic ***")
    assert.strictEqual(mask("the line fake-line-1 alone"), "the line *** alone")
  })

  it("finds a secret inside a longer Base64 text, as the header of git has it", () => {
    const redact = Redactor.make(["ghp_fake1234567890"])
    for (const user of ["", "u", "us", "x-access-token"]) {
      const redacted = redact(btoa(`${user}:ghp_fake1234567890`))
      assert.include(redacted, "***")
      // The remaining text encodes the user and at most a part of a character at each end of the secret.
      assert.isBelow(redacted.length, btoa(`${user}:`).length + 8)
    }
    assert.include(redact(btoa("?>?>ghp_fake1234567890").replaceAll("+", "-").replaceAll("/", "_")), "***")
  })

  it("leaves short values and all other text unchanged", () => {
    assert.strictEqual(Redactor.make(["yes", ""])("yes, it is"), "yes, it is")
    assert.strictEqual(Redactor.make([])("text"), "text")
  })

  it.effect.prop(
    "redacts a text in any pieces as it redacts the whole",
    {
      before: Schema.String,
      after: Schema.String,
      secrets: Schema.Array(Secret),
      cuts: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })))
    },
    ({ after, before, cuts, secrets }) =>
      Effect.sync(() => {
        const known = [...secrets, "sk-fake-1234", "sk-fake-1234-5678", "fake-line-1\nfake-line-2"]
        const text = known.map((one) => `${before}${one}${after}${btoa("u:sk-fake-1234")}`).join("sk-fa")
        const whole = Redactor.make(known)(text)
        const { flush, push } = Redactor.pieces(known)
        let [redacted, at] = ["", 0]
        for (let index = 0; at < text.length; index++) {
          const length = cuts.length === 0 ? 1 : (cuts[index % cuts.length] ?? 1)
          redacted += push(text.slice(at, at + length))
          at += length
        }
        assert.strictEqual(redacted + flush(), whole)
      })
  )

  it("redacts bytes in any pieces, and leaves all others as they are", () => {
    const secret = "schlüssel-1234"
    const bytes = Buffer.concat([Buffer.from([0, 255, 254]), Buffer.from(secret), Buffer.from([128, 10])])
    for (let size = 1; size < bytes.length; size++) {
      const { flush, push } = Redactor.bytePieces([secret])
      const parts: Array<Uint8Array> = []
      for (let at = 0; at < bytes.length; at += size) parts.push(push(bytes.subarray(at, at + size)))
      const redacted = Buffer.concat([...parts, flush()])
      assert.deepStrictEqual([...redacted], [0, 255, 254, ...Buffer.from("***"), 128, 10])
    }
  })

  it("holds back only the start of a secret, and finds hexadecimal and the line ends of a terminal", () => {
    const { flush, push } = Redactor.pieces(["sk-fake-1234"])
    assert.strictEqual(push("$ "), "$ ")
    assert.strictEqual(push("ask sk-"), "ask ")
    assert.strictEqual(push("fake"), "")
    assert.strictEqual(flush(), "sk-fake")
    assert.strictEqual(Redactor.make(["sk-fake-1234"])("736b2d66616b652d31323334"), "***")
    assert.strictEqual(Redactor.make(["one-line\nanother"])("one-line\r\nanother"), "***")
  })

  it.effect.prop(
    "leaves no secret in any text around it",
    { before: Schema.String, after: Schema.String, secret: Secret },
    ({ after, before, secret }) =>
      Effect.sync(() => {
        const text = Redactor.make([secret])(`${before}${secret}${after}`)
        if (!`${before}${Redactor.replacement}${after}`.includes(secret)) assert.notInclude(text, secret)
        const json = Redactor.make([secret])(JSON.stringify([before, secret, after]))
        if (!JSON.stringify([before, Redactor.replacement, after]).includes(secret))
          assert.notInclude(json, secret)
      })
  )
})
