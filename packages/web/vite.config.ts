import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { brotliCompressSync, constants, gzipSync } from "node:zlib"
import { defineConfig, type Plugin } from "vite"

/** Writes each text file also in the encodings that the server sends. */
const compressed: Plugin = {
  name: "compressed",
  apply: "build",
  async writeBundle({ dir = "" }) {
    const names = await readdir(dir, { recursive: true })
    await Promise.all(
      names
        .filter((name) => /\.(?:css|html|js|svg)$/.test(name))
        .map(async (name) => {
          const path = join(dir, name)
          const text = await readFile(path)
          await writeFile(`${path}.gz`, gzipSync(text, { level: 9 }))
          await writeFile(
            `${path}.br`,
            brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: text.length } })
          )
        })
    )
  }
}

export default defineConfig({
  plugins: [compressed],
  oxc: { jsx: { runtime: "automatic" } },
  build: {
    outDir: "dist/page",
    emptyOutDir: true,
    // Every asset is a file: the policy of the server allows no inline font and no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2023",
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      // Libraries mark code for frameworks that render on a server, which does not happen here.
      onwarn: (warning, report) => {
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") report(warning)
      }
    }
  }
})
