/** The rules for rooms, as a pure function of paths and texts. */
import { posix } from "node:path"

/** Source files and room READMEs, by path from the root of the workspace. */
export type Tree = ReadonlyMap<string, string>

/** The packages of the workspace, each with those that it may import. */
const packages: Readonly<Record<string, ReadonlyArray<string>>> = {
  domain: [],
  api: ["domain"],
  "e2b-local": [],
  sandbox: ["domain", "e2b-local"],
  github: ["domain", "sandbox"],
  orchestrator: ["domain", "sandbox", "github"],
  server: ["api", "domain", "sandbox", "orchestrator"],
  web: ["api", "domain"],
  cli: ["domain", "e2b-local", "sandbox", "github", "orchestrator", "api", "server", "web"],
  "remote-agent": ["domain", "api", "e2b-local", "sandbox", "github", "orchestrator", "cli"]
}

const mostFiles = 12
const mostLines = 400

interface Import {
  readonly file: string
  /** The path of the imported file, or the name of a package of the workspace. */
  readonly target: string
}

interface Place {
  readonly package: string
  /** The folder below `src`; empty for the files beside `index.ts`. */
  readonly room: string
}

const placeOf = (file: string): Place => {
  const [, name = "", , ...rest] = posix.dirname(file).split("/")
  return { package: name, room: rest.join("/") }
}

/** A room with everything below it, such as `internal`, is one room for the direction of imports. */
const topOf = (room: string): string => room.split("/")[0] ?? ""

const importsOf = (file: string, text: string): ReadonlyArray<Import> =>
  text
    .split("\n")
    .filter((line) => !/^\s*(?:\*|\/\/|\/\*)/.test(line))
    .flatMap((line) =>
      [...line.matchAll(/(?:\bfrom |\bimport\(?\s?)"([^"]+)"/g)].flatMap(([, name = ""]) => {
        if (name.startsWith(".")) return [{ file, target: posix.join(posix.dirname(file), name) }]
        const ours = /^@remote-agent\/([^/]+)/.exec(name)?.[1]
        return ours === undefined ? [] : [{ file, target: `@remote-agent/${ours}` }]
      })
    )

/** The names in backticks in the sentence that begins with "May import". */
export const allowedIn = (readme: string): ReadonlyArray<string> | undefined => {
  const sentence = /May import[^]*?(?:\.\s|\.$|\n\n|$)/.exec(readme)?.[0]
  return sentence === undefined
    ? undefined
    : [...sentence.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name.replace(/^\.?\/?(.*?)\/?$/, "$1"))
}

/** Whether a README that allows these names allows a room: a room allows everything below it. */
const allows = (allowed: ReadonlyArray<string>, from: Place, to: Place): boolean =>
  allowed.some((name) => {
    const base = posix.join(from.room, name)
    return [name, base].some((path) => to.room === path || to.room.startsWith(`${path}/`))
  })

const sizes = (tree: Tree): ReadonlyArray<string> => {
  const files = [...tree.keys()].filter((path) => /\.tsx?$/.test(path))
  const folders = Map.groupBy(files, posix.dirname)
  return [
    ...[...folders]
      .filter(([, inside]) => inside.length > mostFiles)
      .map(([folder, inside]) => `${folder}: ${inside.length} files, at most ${mostFiles} in a room`),
    ...files.flatMap((file) => {
      const lines = (tree.get(file) ?? "").trimEnd().split("\n").length
      return lines > mostLines ? [`${file}: ${lines} lines, at most ${mostLines} in a file`] : []
    })
  ]
}

const readmes = (tree: Tree): ReadonlyArray<string> => {
  const rooms = new Set([...tree.keys()].filter((path) => /\.tsx?$/.test(path)).map(posix.dirname))
  return [...rooms]
    .filter((folder) => placeOf(`${folder}/x`).room !== "")
    .flatMap((folder) => {
      const text = tree.get(`${folder}/README.md`)
      if (text === undefined) return [`${folder}: has no README.md`]
      return allowedIn(text) === undefined
        ? [`${folder}/README.md: has no sentence "May import …" with the names in backticks`]
        : []
    })
}

const direction = (tree: Tree, all: ReadonlyArray<Import>): ReadonlyArray<string> =>
  all.flatMap(({ file, target }) => {
    const from = placeOf(file)
    if (target.startsWith("@remote-agent/")) {
      const name = target.slice("@remote-agent/".length)
      return name === from.package || packages[from.package]?.includes(name) === true
        ? []
        : [`${file}: imports ${target}, which stands above ${from.package}`]
    }
    const to = placeOf(target)
    if (to.package !== from.package) return [`${file}: reaches into ${target}; import the package`]
    const inside = to.room === from.room || to.room.startsWith(`${from.room}/`) || from.room === ""
    if (inside) return []
    const readme = tree.get(`packages/${from.package}/src/${from.room}/README.md`)
    const allowed = readme === undefined ? undefined : allowedIn(readme)
    if (allowed === undefined) return []
    const named = to.room === "" ? allowed.includes(posix.basename(target, ".ts")) : allows(allowed, from, to)
    return named ? [] : [`${file}: imports ${target}, which the README of its room does not allow`]
  })

const circles = (all: ReadonlyArray<Import>): ReadonlyArray<string> => {
  const arrows = new Map<string, Set<string>>()
  for (const { file, target } of all) {
    const [from, to] = [placeOf(file), placeOf(target)]
    const [a, b] = [`${from.package}/${topOf(from.room)}`, `${to.package}/${topOf(to.room)}`]
    if (target.startsWith("@") || from.room === "" || to.room === "" || a === b) continue
    arrows.set(a, (arrows.get(a) ?? new Set()).add(b))
  }
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    [...(arrows.get(from) ?? [])].some((next) => {
      if (next === to) return true
      if (seen.has(next)) return false
      return reaches(next, to, seen.add(next))
    })
  return [...arrows].flatMap(([from, targets]) =>
    [...targets]
      .filter((to) => reaches(to, from))
      .map((to) => {
        const files = all.filter(
          ({ file, target }) =>
            !target.startsWith("@") &&
            `${placeOf(file).package}/${topOf(placeOf(file).room)}` === from &&
            `${placeOf(target).package}/${topOf(placeOf(target).room)}` === to
        )
        return `${from} -> ${to}: a circle of rooms (${files.map(({ file }) => file).join(", ")})`
      })
  )
}

/** The violations of the rules for rooms, one line each. */
export const violations = (tree: Tree): ReadonlyArray<string> => {
  const all = [...tree].flatMap(([file, text]) => (file.endsWith(".md") ? [] : importsOf(file, text)))
  return [...sizes(tree), ...readmes(tree), ...direction(tree, all), ...circles(all)]
}
