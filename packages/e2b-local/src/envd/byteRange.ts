/**
 * The `Range` header of a download.
 *
 * @since 0.1.0
 */
import type { ByteRange } from "../isolation/SandboxRuntime.ts"

/** The decision on a `Range` header: the whole file, one part of it, or a refusal. */
export type Selection =
  | { readonly _tag: "Whole" }
  | { readonly _tag: "Part"; readonly range: ByteRange }
  | { readonly _tag: "Refused"; readonly message: string; readonly unsatisfiable: boolean }

const refused = (message: string, unsatisfiable = false): Selection => ({
  _tag: "Refused",
  message,
  unsatisfiable
})

/**
 * Selects a part of a file of `size` bytes, as Go's `http.ServeContent` does.
 *
 * **Details**
 *
 * A header with several ranges gets the whole file, which HTTP allows.
 */
export const select = (header: string | undefined, size: number): Selection => {
  if (header === undefined || header === "") return { _tag: "Whole" }
  if (!header.startsWith("bytes=")) return refused("invalid range")
  const parts = header
    .slice("bytes=".length)
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
  const ranges = parts.map((part) => /^(\d*)\s*-\s*(\d*)$/.exec(part))
  if (parts.length === 0) return { _tag: "Whole" }
  if (ranges.some((match) => match === null || (match[1] === "" && match[2] === ""))) {
    return refused("invalid range")
  }
  // Some clients send a range with every request.
  if (size === 0) return { _tag: "Whole" }
  if (ranges.length > 1) return { _tag: "Whole" }
  const [, first = "", last = ""] = ranges[0] ?? []
  if (first === "") {
    const length = Math.min(Number(last), size)
    return length === 0
      ? refused("invalid range: failed to overlap", true)
      : { _tag: "Part", range: { start: size - length, length } }
  }
  const start = Number(first)
  if (start >= size) return refused("invalid range: failed to overlap", true)
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1)
  return end < start ? refused("invalid range") : { _tag: "Part", range: { start, length: end - start + 1 } }
}
