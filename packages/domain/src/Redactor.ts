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

const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** The forms in which a secret appears in a text: as it is, line by line, in JSON, in an address, and in Base64. */
const encodings = (secret: string): ReadonlyArray<string> => {
  const bytes = new TextEncoder().encode(secret.slice(0, 4096))
  const encoded = [base64(bytes), ...insideBase64(bytes)]
  return [
    secret,
    ...secret.split(/\r?\n/),
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret.toWellFormed()),
    // A terminal ends lines with both characters.
    secret.replaceAll(/\r?\n/g, "\r\n"),
    hex(bytes),
    hex(bytes).toUpperCase(),
    ...encoded,
    // The alphabet of Base64 for addresses.
    ...encoded.map((text) => text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""))
  ]
}

const escapeRegExp = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)

const allOf = (secrets: Iterable<string>): ReadonlyArray<string> =>
  [...new Set([...secrets].flatMap(encodings))].filter((encoding) => encoding.trim().length >= minimumLength)

/** Of several secrets that begin at one place, the longest is found. */
const patternOf = (all: ReadonlyArray<string>): RegExp =>
  new RegExp(
    all
      .toSorted((a, b) => b.length - a.length)
      .map(escapeRegExp)
      .join("|"),
    "g"
  )

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
  const all = allOf(secrets)
  if (all.length === 0) return (text) => text
  const pattern = patternOf(all)
  return (text) => text.replaceAll(pattern, replacement)
}

/**
 * Redacts a text that arrives in pieces.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pieces<A> {
  /** Returns the part that is complete: the end of a piece is held back while it may be the start of a secret. */
  readonly push: (piece: A) => A
  /** Returns what was held back. Call it at the end, and when no more arrives for a while. */
  readonly flush: () => A
}

/**
 * Makes a redactor for a text that arrives in pieces, which finds a secret across any number of them.
 *
 * **Details**
 *
 * All pieces together read as {@link make} would redact the whole text. At most one character less than the longest
 * encoding of a secret is held back, and nothing unless it is the start of one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const pieces = (secrets: Iterable<string>): Pieces<string> => scanner(allOf(secrets))

/**
 * {@link pieces} for bytes, which need not be text. A secret is found as UTF-8.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bytePieces = (secrets: Iterable<string>): Pieces<Uint8Array> => {
  const { flush, push } = scanner(allOf(secrets).map((text) => toCharacters(new TextEncoder().encode(text))))
  return { push: (bytes) => toBytes(push(toCharacters(bytes))), flush: () => toBytes(flush()) }
}

/** One character for each byte. */
const toCharacters = (bytes: Uint8Array): string => {
  let text = ""
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192))
  return text
}

const toBytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

const scanner = (all: ReadonlyArray<string>): Pieces<string> => {
  if (all.length === 0) return { push: (text) => text, flush: () => "" }
  const pattern = patternOf(all)
  const longest = Math.max(...all.map((text) => text.length))
  const starts = new Map<string, Array<string>>()
  for (const text of all) starts.set(text.charAt(0), [...(starts.get(text.charAt(0)) ?? []), text])
  let held = ""

  /** Where the earliest secret may begin that more text would complete. */
  const unfinished = (text: string): number => {
    for (let at = Math.max(0, text.length - longest + 1); at < text.length; at++) {
      const candidates = starts.get(text.charAt(at))
      if (candidates === undefined) continue
      const rest = text.slice(at)
      if (candidates.some((one) => one.length > rest.length && one.startsWith(rest))) return at
    }
    return text.length
  }

  return {
    push: (piece) => {
      const text = held + piece
      const end = unfinished(text)
      let [done, from] = ["", 0]
      for (const match of text.matchAll(pattern)) {
        if (match.index >= end) break
        done += text.slice(from, match.index) + replacement
        from = match.index + match[0].length
      }
      const cut = Math.max(from, end)
      held = text.slice(cut)
      return done + text.slice(from, cut)
    },
    flush: () => {
      const rest = held.replaceAll(pattern, replacement)
      held = ""
      return rest
    }
  }
}
