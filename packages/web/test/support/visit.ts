/** A person in front of the page. */
import axe from "axe-core"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Browser, BrowserContext, Page } from "playwright-core"
import type { PageServer } from "./pageServer.ts"

/** Where screenshots are kept. Git ignores it. */
const results = fileURLToPath(new URL("../../test-results", import.meta.url))

export interface Visit {
  readonly page: Page
  readonly context: BrowserContext
  /** What the browser complained about, and requests to other hosts. */
  readonly complaints: ReadonlyArray<string>
}

const looks = {
  light: { viewport: { width: 1360, height: 860 }, colorScheme: "light" },
  dark: { viewport: { width: 1360, height: 860 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: "light", hasTouch: true }
} as const

export type Look = keyof typeof looks

const watch = (page: Page, url: string): Array<string> => {
  const complaints: Array<string> = []
  page.on("pageerror", (error) => complaints.push(error.message))
  page.on("console", (message) => {
    // The browser itself reports each request that a server does not answer.
    if (message.type() === "error" && !/net::ERR_|Failed to load resource/.test(message.text())) {
      complaints.push(message.text())
    }
  })
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) complaints.push(request.url())
  })
  return complaints
}

/** Opens the page, not signed in. */
export const visit = async (browser: Browser, { url }: PageServer, look: Look = "light"): Promise<Visit> => {
  const context = await browser.newContext(looks[look])
  context.setDefaultTimeout(100_000)
  const page = await context.newPage()
  const complaints = watch(page, url)
  await page.goto(url)
  return { page, context, complaints }
}

/** Enters the token. */
export const signIn = async (page: Page, token: string, keep = false): Promise<void> => {
  await page.getByLabel("Token").fill(token)
  if (keep) await page.getByLabel("Stay signed in").check()
  await page.getByRole("button", { name: "Sign in" }).click()
  await page.getByRole("heading", { name: "Fleet" }).waitFor()
}

/** Launches an agent whose steps take a while each, and shows it. */
export const launch = async (page: Page, name: string, stepMillis: number): Promise<void> => {
  await page.getByRole("button", { name: "Launch agent" }).click()
  const dialog = page.getByRole("dialog")
  await dialog.getByLabel("Name").fill(name)
  await dialog.getByLabel("Labels").fill("team=tests")
  await dialog.getByLabel("Variables").fill(`SAMPLE_AGENT_STEP_MS=${stepMillis}`)
  await dialog.getByRole("button", { name: "Launch" }).click()
  await page.getByRole("heading", { name, level: 1 }).waitFor()
  await page.waitForURL(/\/agents\/agt_/)
}

export const ask = async (page: Page, text: string): Promise<void> => {
  await page.getByRole("textbox", { name: "Query" }).fill(text)
  await page.getByRole("button", { name: "Ask" }).click()
}

/** Keeps a screenshot of what is shown. */
export const screenshot = async (page: Page, name: string): Promise<void> => {
  await mkdir(results, { recursive: true })
  await page.screenshot({ path: join(results, `${name}.png`), animations: "disabled" })
}

/** What axe finds that keeps somebody from using the page. */
export const barriers = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { readonly axe: typeof axe }).axe.run(document, { resultTypes: ["violations"] })
  )
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary ?? ""}`).join("; ")}`
    )
}
