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

/** Whether the name of a directory entry stays inside that directory. */
export const isPlainName = (name: string): boolean =>
  name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name)

/** Whether a name may replace bytes that are not UTF-8. No file can be opened by such a name. */
export const mayNotBeUtf8 = (name: string): boolean => name.includes("\uFFFD")

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
