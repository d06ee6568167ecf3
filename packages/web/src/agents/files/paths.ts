/** Paths in a sandbox. Pure. */

/** The folder that a path is in; the root is in itself. */
export const parentOf = (path: string): string => path.replace(/\/+[^/]*\/*$/, "") || "/"

/** The folders on the way to a path, each with its name. */
export const trailOf = (path: string): ReadonlyArray<{ readonly name: string; readonly path: string }> => {
  const names = path.split("/").filter(Boolean)
  return [
    { name: "/", path: "/" },
    ...names.map((name, index) => ({ name, path: `/${names.slice(0, index + 1).join("/")}` }))
  ]
}

/** A size as people read it. */
export const sizeText = (bytes: number): string => {
  if (bytes < 1024) return `${bytes} B`
  const units = ["KiB", "MiB", "GiB", "TiB"]
  let [value, unit] = [bytes / 1024, 0]
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`
}

/** The text of a file; nothing when it is not text. */
export const textIn = (bytes: Uint8Array): string | undefined => {
  if (bytes.subarray(0, 8000).includes(0)) return undefined
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
