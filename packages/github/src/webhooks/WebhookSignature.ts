import { Redacted } from "effect"
import { createHmac, timingSafeEqual } from "node:crypto"

/** One secret, or several for the time in which one takes the place of another. */
export type Secrets = Redacted.Redacted | ReadonlyArray<Redacted.Redacted>

const format = /^sha256=([0-9a-f]{64})$/

const digest = (body: Uint8Array, secret: Redacted.Redacted) =>
  createHmac("sha256", Redacted.value(secret)).update(body).digest()

/** The value of `x-hub-signature-256` with which GitHub signs a body. */
export const sign = (body: Uint8Array, secret: Redacted.Redacted): string =>
  `sha256=${digest(body, secret).toString("hex")}`

/** Whether a header has the form of a signature at all. */
export const isWellFormed = (header: string | undefined): header is string =>
  header !== undefined && format.test(header)

/**
 * Whether somebody who knows one of the secrets has signed exactly these bytes. `header` is that of
 * `x-hub-signature-256`. How long it takes says nothing of the secrets or of the right signature. An empty secret is
 * none: nothing is ever signed with it.
 */
export const verify = (body: Uint8Array, header: string | undefined, secrets: Secrets): boolean => {
  const given = header === undefined ? null : format.exec(header)
  if (given === null) return false
  const signature = Buffer.from(given[1] ?? "", "hex")
  const known = (Redacted.isRedacted(secrets) ? [secrets] : secrets).filter(
    (secret) => Redacted.value(secret) !== ""
  )
  // All are tried, so that the time does not say which one matched.
  return known.map((secret) => timingSafeEqual(digest(body, secret), signature)).includes(true)
}
