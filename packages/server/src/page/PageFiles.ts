/**
 * The files of a built page, in memory.
 *
 * @since 0.2.0
 */
import * as Crypto from "node:crypto"
import { Effect, FileSystem, Path } from "effect"

/**
 * A file of the page, in each encoding that was built.
 *
 * @category models
 * @since 0.2.0
 */
export interface PageFile {
  readonly type: string
  readonly tag: string
  readonly plain: Uint8Array
  readonly gzip?: Uint8Array
  readonly br?: Uint8Array
}

/**
 * The files of a page, by their path in a URL, such as `/index.html`.
 *
 * @category models
 * @since 0.2.0
 */
export type PageFiles = ReadonlyMap<string, PageFile>

const types: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
  webmanifest: "application/manifest+json",
  woff2: "font/woff2"
}

const tagOf = (bytes: Uint8Array): string =>
  Crypto.createHash("sha256").update(bytes).digest("base64url").slice(0, 22)

/**
 * Reads the files of a page. A folder that does not exist has none.
 *
 * **Details**
 *
 * `x.js.br` and `x.js.gz` are `x.js` compressed; neither has a path of its own. Files of other types than those of a
 * page are left out.
 *
 * @category constructors
 * @since 0.2.0
 */
export const read = Effect.fnUntraced(function* (folder: string) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  const names = yield* Effect.orElseSucceed(fs.readDirectory(folder, { recursive: true }), () => [])
  const known = new Set(names)
  const bytesOf = (name: string) => fs.readFile(path.join(folder, name))
  const files = new Map<string, PageFile>()
  for (const name of names) {
    const type = types[path.extname(name).slice(1)]
    if (type === undefined) continue
    const plain = yield* bytesOf(name)
    files.set(`/${name.split(path.sep).join("/")}`, {
      type,
      plain,
      tag: tagOf(plain),
      ...(known.has(`${name}.gz`) ? { gzip: yield* bytesOf(`${name}.gz`) } : {}),
      ...(known.has(`${name}.br`) ? { br: yield* bytesOf(`${name}.br`) } : {})
    })
  }
  return files satisfies PageFiles
})
