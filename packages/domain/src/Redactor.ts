/** What stands in the place of a secret. */
export const masked = "***"

/** Shorter values are words such as `true` that occur by themselves: to mask them would strike out half of a text. */
export const shortest = 6

const shapes = (secret: string): ReadonlyArray<string> => [
  secret,
  ...secret.split(/\r?\n/),
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret.toWellFormed()),
  btoa(String.fromCodePoint(...new TextEncoder().encode(secret.slice(0, 4096))))
]

const literally = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)

/**
 * A function that replaces every secret in a text with `***`: as it is, line by line, and as JSON, addresses and
 * Base64 write it. Values of fewer than 6 characters are left alone. A secret that is part of another leaves nothing
 * of it.
 */
export const make = (secrets: Iterable<string>): ((text: string) => string) => {
  const all = [...new Set([...secrets].flatMap(shapes))].filter((shape) => shape.trim().length >= shortest)
  if (all.length === 0) return (text) => text
  const longestFirst = all.toSorted((a, b) => b.length - a.length)
  const pattern = new RegExp(longestFirst.map(literally).join("|"), "g")
  return (text) => text.replaceAll(pattern, masked)
}
