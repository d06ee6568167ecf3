/** Whether the name of a directory entry stays inside that directory. */
export const isPlainName = (name: string): boolean =>
  name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name)

/**
 * Whether a symbolic link stays in the folder that it is copied with. `depth` is the number of folders between that
 * folder and the link.
 *
 * **Details**
 *
 * `..` may come first only, where it leads from a real folder to its parent. Behind a name it could follow another link
 * and lead anywhere.
 */
export const staysInside = (target: string, depth: number): boolean => {
  if (target === "" || target.startsWith("/") || target.includes("\0")) return false
  const parts = target.split("/").filter((part) => part !== "" && part !== ".")
  const firstName = parts.findIndex((part) => part !== "..")
  const up = firstName === -1 ? parts.length : firstName
  return up <= depth && !parts.slice(up).includes("..")
}
