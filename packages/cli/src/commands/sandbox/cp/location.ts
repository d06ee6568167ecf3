/** One side of a copy. */
export type Place =
  | { readonly _tag: "Pipe" }
  | { readonly _tag: "Here"; readonly path: string }
  | { readonly _tag: "There"; readonly agent: string; readonly path: string }

/**
 * What a side of a copy means: `-`, `agent:path`, or a path here. A path with a colon in it is one here when it begins
 * with `/`, `./` or `../`.
 */
export const parse = (text: string): Place => {
  if (text === "-") return { _tag: "Pipe" }
  const [, agent, path] = /^([^:/]+):(.*)$/s.exec(text) ?? []
  return agent === undefined || path === undefined
    ? { _tag: "Here", path: text }
    : { _tag: "There", agent, path: path === "" ? "." : path }
}

/** The last part of a path; empty for one that has no name of its own, such as `.` and `/`. */
export const nameOf = (path: string): string => {
  const name = path.replace(/\/+$/, "").split("/").at(-1) ?? ""
  return name === "." || name === ".." ? "" : name
}

/** Whether a name that a folder says it holds can only be in that folder. */
export const isPlainName = (name: string): boolean =>
  name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name)

/** What is at the end of a copy now. */
export type Existing = "nothing" | "file" | "folder"

/** Where a copy ends, and whether what is there has to go before. */
export type Landing =
  | { readonly _tag: "At"; readonly path: string; readonly replace: boolean }
  | { readonly _tag: "Refused"; readonly path: string; readonly existing: Existing }

/**
 * Decides about what is at the end: a file takes the place of a file; everything else that is in the way has to be
 * forced out.
 */
export const land = (path: string, from: "file" | "folder", existing: Existing, force: boolean): Landing => {
  if (existing === "nothing" || (existing === "file" && from === "file"))
    return { _tag: "At", path, replace: false }
  return force ? { _tag: "At", path, replace: true } : { _tag: "Refused", path, existing }
}
