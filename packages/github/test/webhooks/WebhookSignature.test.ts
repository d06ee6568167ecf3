import { assert, describe, it } from "@effect/vitest"
import { WebhookSignature } from "@remote-agent/github"
import { Effect, Redacted, Schema } from "effect"
import { createHash, createHmac } from "node:crypto"

const Bytes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))).check(
  Schema.isMaxLength(200)
)
const Secret = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(40))
const Index = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 }))

/** The block that HMAC makes of a secret (RFC 2104): one that is too long is hashed, a short one ends in zeros. */
const block = (secret: string): Buffer => {
  const bytes = Buffer.from(secret)
  return Buffer.concat([bytes.length > 64 ? createHash("sha256").update(bytes).digest() : bytes], 64)
}

const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
  const copy = Uint8Array.from(bytes)
  const at = bit % (bytes.length * 8)
  copy[at >> 3] = (copy[at >> 3] ?? 0) ^ (1 << (at & 7))
  return copy
}

describe("verify", () => {
  it("knows GitHub's own example", () => {
    const secret = Redacted.make("It's a Secret to Everybody")
    const signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    const body = new TextEncoder().encode("Hello, World!")
    assert.isTrue(WebhookSignature.verify(body, signature, secret))
    assert.strictEqual(WebhookSignature.sign(body, secret), signature)
  })

  it.effect.prop(
    "accepts what was signed with one of the secrets and nothing else",
    [Bytes, Secret, Secret, Index, Index],
    ([bytes, first, second, bodyBit, signatureBit]) =>
      Effect.sync(() => {
        const body = Uint8Array.from(bytes)
        const [mine, other] = [Redacted.make(first), Redacted.make(second)]
        const header = `sha256=${createHmac("sha256", first).update(body).digest("hex")}`
        assert.isTrue(WebhookSignature.verify(body, header, mine))
        assert.isTrue(WebhookSignature.verify(body, header, [other, mine]))
        assert.strictEqual(WebhookSignature.verify(body, header, other), block(first).equals(block(second)))
        assert.isFalse(WebhookSignature.verify(body, header, []))
        const forged = flipped(Buffer.from(header.slice(7), "hex"), signatureBit)
        assert.isFalse(WebhookSignature.verify(body, `sha256=${Buffer.from(forged).toString("hex")}`, mine))
        assert.isFalse(WebhookSignature.verify(Buffer.concat([body, Buffer.from([0])]), header, mine))
        if (body.length > 0) {
          assert.isFalse(WebhookSignature.verify(flipped(body, bodyBit), header, mine))
          assert.isFalse(WebhookSignature.verify(body.subarray(1), header, mine))
        }
      })
  )

  it.effect.prop("refuses any other header", [Schema.String, Secret], ([header, secret]) =>
    Effect.sync(() =>
      assert.isFalse(WebhookSignature.verify(new Uint8Array(), header, Redacted.make(secret)))
    )
  )

  it("refuses signatures of another form, and all when the secret is empty", () => {
    const [body, secret] = [new Uint8Array([1, 2, 3]), Redacted.make("fake-secret")]
    const header = WebhookSignature.sign(body, secret)
    for (const other of [
      undefined,
      "",
      header.slice(7),
      header.slice(0, -1),
      `${header}0`,
      `${header}\n`,
      header.replace("sha256", "sha1"),
      ` ${header}`
    ]) {
      assert.isFalse(WebhookSignature.verify(body, other, secret))
    }
    const empty = Redacted.make("")
    assert.isFalse(WebhookSignature.verify(body, WebhookSignature.sign(body, empty), empty))
    assert.isFalse(WebhookSignature.verify(body, WebhookSignature.sign(body, empty), [secret, empty]))
  })
})
