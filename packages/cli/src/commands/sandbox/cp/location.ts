import { Option } from "effect"

/** One side of a copy: standard input or output, a path on this machine, or a path in a sandbox. */
export type Location =
  | { readonly _tag: "Pipe" }
  | { readonly _tag: "Here"; readonly path: string }
  | { readonly _tag: "There"; readonly agent: string; readonly path: string }

/** Parses `-`, `agent:path`, or a path here. A path here that contains a colon starts with `/`, `./` or `../`. */
export const parse = (text: string): Location => {
  if (text === "-") return { _tag: "Pipe" }
  const [, agent, path] = /^([^:/]+):(.*)$/s.exec(text) ?? []
  return agent === undefined || path === undefined
    ? { _tag: "Here", path: text }
    : { _tag: "There", agent, path: path === "" ? "." : path }
}

/** The last part of a path. Empty for a path without a name of its own, such as `.` and `/`. */
export const nameOf = (path: string): string => {
  const name = path.replace(/\/+$/, "").split("/").at(-1) ?? ""
  return name === "." || name === ".." ? "" : name
}

/** What exists at the destination of a copy. */
export type Existing = "nothing" | "file" | "folder"

/** The destination of a copy, and whether what exists there is removed first. */
export type Landing =
  | { readonly _tag: "At"; readonly path: string; readonly replace: boolean }
  | { readonly _tag: "Refused"; readonly path: string; readonly existing: Existing }

/** Decides whether a copy may replace what exists: a file replaces a file, and anything else needs `force`. */
export const land = (path: string, from: "file" | "folder", existing: Existing, force: boolean): Landing => {
  if (existing === "nothing" || (existing === "file" && from === "file"))
    return { _tag: "At", path, replace: false }
  return force ? { _tag: "At", path, replace: true } : { _tag: "Refused", path, existing }
}

const units: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 }

/** The bytes of a size such as `500M` or `20G`. */
export const bytesOf = (text: string): Option.Option<number> => {
  const [, count, unit = ""] = /^(\d{1,9})([KMGT]?)$/i.exec(text) ?? []
  const bytes = Number(count) * (units[unit.toUpperCase()] ?? 1)
  return count === undefined || bytes === 0 ? Option.none() : Option.some(bytes)
}

/** A number of bytes for people, such as `12.3 MB`. */
export const sizeText = (bytes: number): string =>
  bytes < 1000
    ? `${bytes} B`
    : bytes < 1e6
      ? `${(bytes / 1e3).toFixed(1)} kB`
      : bytes < 1e9
        ? `${(bytes / 1e6).toFixed(1)} MB`
        : `${(bytes / 1e9).toFixed(1)} GB`
