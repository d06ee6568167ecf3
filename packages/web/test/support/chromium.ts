/** The browser of the tests: Debian's Chromium, or the one that `CHROMIUM` names. */
import { existsSync } from "node:fs"
import { env } from "node:process"
import { type Browser, chromium } from "playwright-core"

const places = [
  env["CHROMIUM"] ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
]

/** Where it is; undefined where there is none. */
export const chromiumPath: string | undefined = places.find((place) => place !== "" && existsSync(place))

/** Without its own sandbox, which root may not use. */
export const launchChromium = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath ?? "chromium", args: ["--no-sandbox"] })
