/** A time that has passed, in its largest unit, for tables: `42s`, `3m`, `5h`, `12d`. */
export const short = (millis: number): string => {
  const seconds = Math.max(0, Math.floor(millis / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`
}

/** A time that is passing, to a tenth of a second. */
export const exact = (millis: number): string => `${(Math.max(0, millis) / 1000).toFixed(1)} s`
