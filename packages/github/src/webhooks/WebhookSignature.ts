/**
 * Signatures of webhook deliveries. `@octokit/webhooks-methods` is not used: it takes text instead of bytes, is
 * asynchronous, and stops at the first secret that matches.
 */
import { Redacted } from "effect"
import { createHmac, timingSafeEqual } from "node:crypto"

/**
 * The signing secret, or several while one replaces another.
 *
 * @category models
 * @since 0.1.0
 */
export type Secrets = Redacted.Redacted | ReadonlyArray<Redacted.Redacted>

const format = /^sha256=([0-9a-f]{64})$/

const digest = (body: Uint8Array, secret: Redacted.Redacted) =>
  createHmac("sha256", Redacted.value(secret)).update(body).digest()

/**
 * Signs a body: the value of the header `x-hub-signature-256`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const sign = (body: Uint8Array, secret: Redacted.Redacted): string =>
  `sha256=${digest(body, secret).toString("hex")}`

/** Whether a header has the form of a signature. */
export const isWellFormed = (header: string | undefined): header is string =>
  header !== undefined && format.test(header)

/**
 * Verifies the value of the header `x-hub-signature-256` against the bytes of a body, in constant time.
 *
 * **Gotchas**
 *
 * An empty secret never matches.
 *
 * @category guards
 * @since 0.1.0
 */
export const verify = (body: Uint8Array, header: string | undefined, secrets: Secrets): boolean => {
  const given = header === undefined ? null : format.exec(header)
  if (given === null) return false
  const signature = Buffer.from(given[1] ?? "", "hex")
  const known = (Redacted.isRedacted(secrets) ? [secrets] : secrets).filter(
    (secret) => Redacted.value(secret) !== ""
  )
  // All secrets are tried, so that the time does not reveal which one matched.
  return known.map((secret) => timingSafeEqual(digest(body, secret), signature)).includes(true)
}
