/**
 * The text that replaces a secret.
 *
 * @category constants
 * @since 0.1.0
 */
export const replacement = "***"

/**
 * The length of the shortest value that is redacted. Shorter values are words such as `true` that occur by chance, so
 * redacting them would make a text unreadable.
 *
 * @category constants
 * @since 0.1.0
 */
export const minimumLength = 6

/** The forms in which a secret appears in a text: as it is, line by line, in JSON, in an address, and in Base64. */
const encodings = (secret: string): ReadonlyArray<string> => [
  secret,
  ...secret.split(/\r?\n/),
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret.toWellFormed()),
  btoa(String.fromCodePoint(...new TextEncoder().encode(secret.slice(0, 4096))))
]

const escapeRegExp = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)

/**
 * Makes a function that replaces every secret in a text with `***`.
 *
 * **Details**
 *
 * It finds a secret as it is, line by line, and as JSON, addresses and Base64 encode it. A secret that is part of another
 * one leaves no rest of it. Values of fewer than 6 characters are not redacted.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (secrets: Iterable<string>): ((text: string) => string) => {
  const all = [...new Set([...secrets].flatMap(encodings))].filter(
    (encoding) => encoding.trim().length >= minimumLength
  )
  if (all.length === 0) return (text) => text
  const longestFirst = all.toSorted((a, b) => b.length - a.length)
  const pattern = new RegExp(longestFirst.map(escapeRegExp).join("|"), "g")
  return (text) => text.replaceAll(pattern, replacement)
}
