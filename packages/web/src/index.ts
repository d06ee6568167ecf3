/**
 * Where the built page is, for the server that serves it.
 *
 * @since 0.2.0
 */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

const pathOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/**
 * Whether a folder has a built page.
 *
 * @category predicates
 * @since 0.2.0
 */
export const isBuilt = (folder: string): boolean => existsSync(`${folder}/index.html`)

/** The page is beside this module in its package, and beside the bundle of the command. */
const folders: ReadonlyArray<string> = ["../dist/page", "../page"].map(pathOf)

/**
 * The absolute path of the built files. The build of the workspace writes them.
 *
 * @category constants
 * @since 0.2.0
 */
export const pageFolder: string = folders.find(isBuilt) ?? folders[0] ?? ""

/**
 * The script of Node.js that builds the page, and its folder and arguments. Absent in an installed package, which has a
 * built page.
 *
 * @category constants
 * @since 0.2.0
 */
export const buildScript: { readonly cwd: string; readonly argv: ReadonlyArray<string> } | undefined =
  existsSync(pathOf("../vite.config.ts"))
    ? {
        cwd: pathOf(".."),
        argv: [pathOf("../node_modules/vite/bin/vite.js"), "build", "--logLevel", "error"]
      }
    : undefined
