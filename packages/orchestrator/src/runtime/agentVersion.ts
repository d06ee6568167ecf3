import type { Profile } from "@remote-agent/domain"

type Wanted = Pick<Profile.Tool, "min" | "exact">

const numbers = (version: string): ReadonlyArray<number> => version.split(".").map(Number)

/** Whether one version is at least another. What a version leaves out is 0. */
const atLeast = (version: string, min: string): boolean => {
  const [a, b] = [numbers(version), numbers(min)]
  for (const place of [0, 1, 2]) {
    const difference = (a[place] ?? 0) - (b[place] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}

/** Whether what a program printed names a version that will do: the first that it names counts. */
export const suits = (printed: string, { exact, min }: Wanted): boolean => {
  if (exact === undefined && min === undefined) return true
  const [, version] = /(?:^|[^\d.])(\d{1,9}\.\d{1,9}(?:\.\d{1,9})?)/.exec(printed) ?? []
  if (version === undefined) return false
  return (exact === undefined || version === exact) && (min === undefined || atLeast(version, min))
}

/** The version that is needed, in words. */
export const needed = ({ exact, min }: Wanted): string =>
  exact ?? (min === undefined ? "" : `${min} or newer`)
