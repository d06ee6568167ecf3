/** A patch of git, cut into files. Pure. */

interface PatchLine {
  readonly kind: "added" | "removed" | "place" | "same"
  readonly text: string
}

export interface PatchFile {
  readonly path: string
  readonly lines: ReadonlyArray<PatchLine>
  readonly added: number
  readonly removed: number
}

const kindOf = (line: string): PatchLine["kind"] =>
  line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : line.startsWith("@@") ? "place" : "same"

const fileOf = (text: string): PatchFile => {
  const [head = "", ...rest] = text.split("\n")
  const start = rest.findIndex((line) => line.startsWith("@@"))
  const lines = (start < 0 ? [] : rest.slice(start))
    .filter((line, index, all) => line !== "" || index < all.length - 1)
    .map((line) => ({ kind: kindOf(line), text: line }))
  return {
    path: / b\/(.*)$/.exec(head)?.[1] ?? head,
    lines,
    added: lines.filter(({ kind }) => kind === "added").length,
    removed: lines.filter(({ kind }) => kind === "removed").length
  }
}

/** The files of a patch, each with its lines. */
export const filesOf = (patch: string): ReadonlyArray<PatchFile> =>
  patch
    .split(/^diff --git /m)
    .slice(1)
    .map(fileOf)
