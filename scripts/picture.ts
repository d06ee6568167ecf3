/**
 * Writes `docs/demo.svg`: the final screen of a real `remote-agent demo` on a real terminal. The elapsed time is omitted,
 * because it differs between machines.
 */
import { spawn } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { type Cell, replay, type Style } from "./TerminalScreen.ts"

const [columns, most] = [100, 40]
const [charWidth, lineHeight, margin] = [8.4, 19, 18]
const palette = ["#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#e6edf3"]

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const record = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "remote-agent-picture-"))
  try {
    const demo = `stty cols ${columns} rows ${most}; '${process.execPath}' '${file("../packages/cli/src/bin.ts")}' demo`
    const child = spawn("script", ["--quiet", "--return", "--command", demo, "/dev/null"], {
      cwd: folder,
      env: { PATH: process.env["PATH"], HOME: folder, TMPDIR: folder, TERM: "xterm", SHELL: "/bin/sh" },
      stdio: ["ignore", "pipe", "inherit"]
    })
    let output = ""
    child.stdout.on("data", (data: Buffer) => (output += data.toString()))
    const code = await new Promise((resolve) => child.on("close", resolve))
    if (code !== 0) throw new Error(`The demo ended with ${String(code)}:\n${output}`)
    return output
  } finally {
    await rm(folder, { recursive: true })
  }
}

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const same = (a: Style, b: Style) => a.bold === b.bold && a.dim === b.dim && a.color === b.color

/** Groups adjacent cells with the same style. */
const runs = (cells: ReadonlyArray<Cell>): ReadonlyArray<Cell> =>
  cells.reduce<Array<Cell>>((all, cell) => {
    const last = all.at(-1)
    if (last === undefined || !same(last.style, cell.style)) return [...all, cell]
    return [...all.slice(0, -1), { ...last, text: last.text + cell.text }]
  }, [])

const attributes = ({ bold, color, dim }: Style): string =>
  [
    bold ? ' font-weight="bold"' : "",
    dim ? ' opacity="0.6"' : "",
    color === undefined ? "" : ` fill="${palette[color] ?? ""}"`
  ].join("")

const toLine = (cells: ReadonlyArray<Cell>, index: number): string => {
  const parts = runs(cells).map(({ style, text }) => {
    const how = attributes(style)
    return how === "" ? escape(text) : `<tspan${how}>${escape(text)}</tspan>`
  })
  return `<text x="${margin}" y="${margin + (index + 1) * lineHeight}" xml:space="preserve">${parts.join("")}</text>`
}

const typed: ReadonlyArray<Cell> = [..."$ remote-agent demo"].map((text) => ({
  text,
  style: { bold: false, dim: true, color: undefined }
}))

const screen = replay((await record()).replaceAll(/ in \d+(?:\.\d+)? s\./g, "."), columns)
const lines = [typed, ...screen].filter((line, index, all) => line.length > 0 || index < all.length - 1)
const shown = lines.slice(-most)
const [width, height] = [Math.ceil(columns * charWidth + 2 * margin), shown.length * lineHeight + 2 * margin]
const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="remote-agent demo in a terminal">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="#e6edf3">
${shown.map(toLine).join("\n")}
</g>
</svg>
`
await writeFile(file("../docs/demo.svg"), svg)
process.stdout.write("Written: docs/demo.svg\n")
