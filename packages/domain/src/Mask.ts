/** What stands in the place of a secret. */
export const masked = "***"

/** Shorter values are words that occur by themselves: to mask them would make nonsense of the text around them. */
export const shortest = 8

const escapedForJson = (value: string): string => JSON.stringify(value).slice(1, -1)

const forms = (value: string): ReadonlyArray<string> => [
  value,
  escapedForJson(value),
  encodeURIComponent(value.toWellFormed())
]

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`)

/**
 * A function that replaces every secret in a text with `***`: as it is, as it stands in JSON, and as it stands in a
 * URL. Values of fewer than 8 characters are left alone. A secret that is part of another is found in both.
 */
export const make = (secrets: Iterable<string>): ((text: string) => string) => {
  const values = [...secrets].filter((value) => value.length >= shortest)
  if (values.length === 0) return (text) => text
  const longestFirst = [...new Set(values.flatMap(forms))].toSorted((a, b) => b.length - a.length)
  const pattern = new RegExp(longestFirst.map(literally).join("|"), "g")
  return (text) => text.replace(pattern, masked)
}
