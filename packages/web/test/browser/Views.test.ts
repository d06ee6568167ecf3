import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { rm } from "node:fs/promises"
import type { Browser, Page } from "playwright-core"
import { runsRest } from "#test/tier"
import { describeWhere } from "#test/where"
import { chromiumPath, launchChromium } from "../support/chromium.ts"
import { buildPage, startServer } from "../support/pageServer.ts"
import { barriers, type Look, screenshot, signIn, visit } from "../support/visit.ts"

const views: ReadonlyArray<readonly [name: string, open: (page: Page) => Promise<void>]> = [
  ["fleet", (page) => page.getByRole("row", { name: /Lost iris/ }).waitFor()],
  [
    "launch",
    async (page) => {
      await page.getByRole("button", { name: "Launch agent" }).click()
      await page.getByRole("dialog").waitFor()
    }
  ],
  [
    "agent",
    async (page) => {
      await page.keyboard.press("Escape")
      await page.getByRole("link", { name: "fermi" }).click()
      await page
        .getByRole("button", { name: /get_fundamentals/ })
        .first()
        .click()
      await page.getByRole("heading", { name: "Arguments" }).waitFor()
    }
  ],
  [
    "agent-files",
    async (page) => {
      await page.getByRole("tab", { name: "Files" }).click()
      await page.getByRole("button", { name: /\.agent/ }).click()
      await page.getByRole("button", { name: /fundamentals\.json/ }).click()
      await page.getByText('"companies"').waitFor()
    }
  ],
  [
    "agent-usage",
    async (page) => {
      await page.getByRole("tab", { name: "Usage" }).click()
      await page.getByText("Tokens by day").first().waitFor()
    }
  ],
  [
    "agent-details",
    async (page) => {
      await page.getByRole("tab", { name: "Details" }).click()
      await page.getByRole("button", { name: "Check" }).click()
      await page.getByText("clock", { exact: true }).waitFor()
    }
  ],
  [
    "terminate",
    async (page) => {
      await page.getByRole("button", { name: "Terminate" }).click()
      await page.getByRole("alertdialog").waitFor()
    }
  ],
  [
    "pools",
    async (page) => {
      await page.keyboard.press("Escape")
      await page.getByRole("link", { name: "Pools" }).click()
      await page.getByRole("heading", { name: "filings" }).waitFor()
    }
  ],
  [
    "usage",
    async (page) => {
      await page.getByRole("link", { name: "Usage" }).click()
      await page.getByText("team=filings").first().waitFor()
    }
  ],
  [
    "leftovers",
    async (page) => {
      await page.getByRole("link", { name: "Leftovers" }).click()
      await page.getByText("Mark as lost").first().waitFor()
    }
  ]
]

describeWhere(
  runsRest && chromiumPath !== undefined,
  runsRest ? "there is no Chromium here" : "the page is built and driven in a browser in test:rest"
)("The views of the page", () => {
  let folder = ""
  let browser: Browser

  beforeAll(async () => {
    folder = await buildPage()
    browser = await launchChromium()
  })
  afterAll(async () => {
    await browser.close()
    await rm(folder, { recursive: true, force: true })
  })

  for (const look of ["light", "dark", "phone"] satisfies ReadonlyArray<Look>) {
    it(`have no serious barrier for anybody: ${look}`, async () => {
      const server = await startServer({ page: folder, seed: "fleet" })
      const { complaints, context, page } = await visit(browser, server, look)
      const found = (await barriers(page)).map((barrier) => `login ${barrier}`)
      await screenshot(page, `${look}-login`)
      await signIn(page, server.token)
      for (const [name, open] of views) {
        await open(page)
        found.push(...(await barriers(page)).map((barrier) => `${name} ${barrier}`))
        await screenshot(page, `${look}-${name}`)
      }
      assert.deepStrictEqual(found, [])
      assert.deepStrictEqual(complaints, [])
      await context.close()
      await server.stop()
    })
  }

  it("work with 1,000 agents and 100,000 events, by keyboard", async () => {
    const server = await startServer({ page: folder, seed: "large" })
    const { context, page } = await visit(browser, server)
    await signIn(page, server.token)
    await page.getByText("1000 agents").waitFor()
    const inDocument = () => page.getByRole("row").count()
    assert.isBelow(await inDocument(), 60)
    await page.keyboard.press("/")
    await page.keyboard.type("agent-00")
    await page.getByRole("row", { name: /agent-0000/ }).waitFor()
    await page.getByRole("searchbox").fill("")
    await page.getByRole("table").getByRole("link").first().focus()
    for (let pressed = 0; pressed < 40; pressed++) {
      await page.keyboard.press("ArrowDown")
      await page.waitForFunction(
        (row) => (document.activeElement as HTMLElement | null)?.dataset["row"] === row,
        String(pressed + 1)
      )
    }
    assert.isBelow(await inDocument(), 60)
    await page.getByRole("searchbox").fill("agent-0000")
    await page.getByRole("link", { name: "agent-0000" }).click()
    await page.getByText("Everything was read.").waitFor()
    const items = await page.locator(".item").count()
    assert.isBelow(items, 100)
    await page.getByRole("log").evaluate((log) => log.scrollTo({ top: log.scrollHeight / 2 }))
    await page
      .getByRole("button", { name: /read page: \d+/ })
      .first()
      .waitFor()
    await page.getByRole("button", { name: "Latest" }).click()
    await page.getByText("Everything was read.").waitFor()
    await screenshot(page, "light-large")
    await context.close()
    await server.stop()
  })
})
