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

/** A part of a Base64 text that is shorter than this occurs by chance. */
const minimumBase64 = 8

const base64 = (bytes: Uint8Array): string => btoa(String.fromCodePoint(...bytes))

/**
 * The Base64 of a secret that stands inside a longer encoded text, such as `user:secret`. It depends on how many bytes
 * precede the secret, modulo 3. The characters at both ends also encode neighbouring bytes, so they are left out.
 */
const insideBase64 = (bytes: Uint8Array): ReadonlyArray<string> =>
  [0, 1, 2].flatMap((before) => {
    const shifted = new Uint8Array(before + bytes.length)
    shifted.set(bytes, before)
    const start = [0, 2, 3][before] ?? 0
    const end = Math.floor((shifted.length * 8) / 6)
    const inside = base64(shifted).slice(start, end)
    return inside.length < minimumBase64 ? [] : [inside]
  })

/** The forms in which a secret appears in a text: as it is, line by line, in JSON, in an address, and in Base64. */
const encodings = (secret: string): ReadonlyArray<string> => {
  const bytes = new TextEncoder().encode(secret.slice(0, 4096))
  const encoded = [base64(bytes), ...insideBase64(bytes)]
  return [
    secret,
    ...secret.split(/\r?\n/),
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret.toWellFormed()),
    ...encoded,
    // The alphabet of Base64 for addresses.
    ...encoded.map((text) => text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""))
  ]
}

const escapeRegExp = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)

/**
 * Makes a function that replaces every secret in a text with `***`.
 *
 * **Details**
 *
 * It finds a secret as it is, line by line, and as JSON, addresses and Base64 encode it, also inside a longer Base64 text. A secret that is part of another
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
