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
  const { update, verified } = verifier(header, secrets)
  update(body)
  return verified()
}

/**
 * Verifies a body that arrives in pieces. The result is that of {@link verify} for all of them.
 *
 * @category guards
 * @since 0.1.0
 */
export const verifier = (
  header: string | undefined,
  secrets: Secrets
): { readonly update: (piece: Uint8Array) => void; readonly verified: () => boolean } => {
  const given = header === undefined ? null : format.exec(header)
  if (given === null) return { update: () => {}, verified: () => false }
  const signature = Buffer.from(given[1] ?? "", "hex")
  const hashes = (Redacted.isRedacted(secrets) ? [secrets] : secrets)
    .map((secret) => Redacted.value(secret))
    .filter((secret) => secret !== "")
    .map((secret) => createHmac("sha256", secret))
  return {
    update: (piece) => {
      for (const hash of hashes) hash.update(piece)
    },
    // All secrets are tried, so that the time does not reveal which one matched.
    verified: () => hashes.map((hash) => timingSafeEqual(hash.digest(), signature)).includes(true)
  }
}
