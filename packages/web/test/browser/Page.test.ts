import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { rm } from "node:fs/promises"
import type { Browser } from "playwright-core"
import { runsRest } from "#test/tier"
import { describeWhere } from "#test/where"
import { chromiumPath, launchChromium } from "../support/chromium.ts"
import { buildPage, type PageServer, processesOf, startServer } from "../support/pageServer.ts"
import { ask, launch, signIn, visit } from "../support/visit.ts"

const longQuestion = "Compare the net income of Microsoft and Google from 2021 to 2024"

describeWhere(
  runsRest && chromiumPath !== undefined,
  runsRest ? "there is no Chromium here" : "the page is built and driven in a browser in test:rest"
)("The page in a browser", () => {
  let folder = ""
  let browser: Browser
  let server: PageServer

  beforeAll(async () => {
    folder = await buildPage()
    browser = await launchChromium()
    server = await startServer({ page: folder })
  })
  afterAll(async () => {
    await browser.close()
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it("refuses a wrong token, and keeps a right one out of its address", async () => {
    const { complaints, context, page } = await visit(browser, server)
    await page.getByLabel("Token").fill("ra_wrong")
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.getByText("The server does not know this token").waitFor()
    await signIn(page, server.token)
    assert.notInclude(page.url(), server.token)
    await page.reload()
    await page.getByRole("heading", { name: "Fleet" }).waitFor()
    const other = await context.newPage()
    await other.goto(server.url)
    await other.getByLabel("Token").waitFor()
    await page.getByRole("button", { name: "Sign out" }).click()
    await page.reload()
    await page.getByLabel("Token").waitFor()
    assert.deepStrictEqual(complaints, [])
    await context.close()
  })

  it("launches an agent, and shows its work while it works and its answer after it", async () => {
    const { complaints, context, page } = await visit(browser, server)
    await signIn(page, server.token)
    await launch(page, "streams", 700)
    await page.getByText("Nothing was asked yet").waitFor()
    await ask(page, longQuestion)
    await page.getByRole("status").getByText("It answers a query").waitFor()
    const tools = page.getByRole("button", { name: /get_fundamentals/ })
    await tools.first().waitFor()
    assert.isTrue(await page.getByRole("button", { name: "Cancel" }).isVisible())
    await page.getByText("Alphabet's net income was higher, by $14,762 million").waitFor()
    await page.getByRole("status").getByText("It waits for a query").waitFor()
    await tools.first().click()
    await page.getByText('"ticker": "MSFT"').first().waitFor()
    await page.getByRole("link", { name: "Fleet" }).first().click()
    await page.getByRole("row", { name: /Idle streams/ }).waitFor()
    assert.deepStrictEqual(complaints, [])
    await context.close()
  })

  it("cancels a query", async () => {
    const { context, page } = await visit(browser, server)
    await signIn(page, server.token)
    await launch(page, "cancels", 20_000)
    await ask(page, longQuestion)
    await page.getByRole("button", { name: "Cancel" }).click()
    await page.getByText("Cancelled", { exact: false }).first().waitFor()
    await page.getByRole("status").getByText("It waits for a query").waitFor()
    await context.close()
  })

  it("shows the same in two tabs", async () => {
    const { context, page } = await visit(browser, server)
    await signIn(page, server.token, true)
    await launch(page, "shared", 300)
    const other = await context.newPage()
    await other.goto(page.url())
    // A tab in the background draws nothing.
    await other.bringToFront()
    await other.getByRole("textbox", { name: "Query" }).waitFor()
    await page.bringToFront()
    await ask(page, "Tesla revenue 2024")
    await page.getByText("$97,690 million").first().waitFor()
    await other.bringToFront()
    await other.getByText("$97,690 million").first().waitFor()
    await context.close()
  })

  it("terminates an agent after a question", async () => {
    const { context, page } = await visit(browser, server)
    await signIn(page, server.token)
    await launch(page, "ends", 0)
    await page.getByRole("button", { name: "Terminate" }).click()
    const question = page.getByRole("alertdialog")
    await question.getByRole("button", { name: "Cancel" }).click()
    await question.waitFor({ state: "hidden" })
    await page.getByRole("button", { name: "Terminate" }).click()
    await question.getByRole("button", { name: "Terminate" }).click()
    await page.getByText("This agent was terminated").waitFor()
    await context.close()
  })

  it("pauses and resumes an agent", async () => {
    const { context, page } = await visit(browser, server)
    await signIn(page, server.token)
    await launch(page, "sleeps", 0)
    await page.getByRole("button", { name: "Pause" }).click()
    await page.getByText("Asleep").waitFor()
    await page.getByRole("button", { name: "Resume" }).click()
    await page.getByRole("status").getByText("It waits for a query").waitFor()
    await context.close()
  })

  it("says that an agent's process was killed, in the fleet and at the agent", async (test) => {
    const { context, page } = await visit(browser, server)
    await signIn(page, server.token)
    await launch(page, "killed", 60_000)
    await ask(page, longQuestion)
    await page
      .getByText(/is ready|The question asks/)
      .first()
      .waitFor()
    await page.getByRole("link", { name: "Fleet" }).first().click()
    await page.getByRole("row", { name: /Working killed/ }).waitFor()
    const pids = await processesOf(server, "sample-agent.mjs")
    assert.isAbove(pids.length, 0)
    const killedAt = performance.now()
    for (const pid of pids) process.kill(pid, "SIGKILL")
    await page.getByRole("row", { name: /Needs attention killed/ }).waitFor()
    await test.annotate(`The fleet said so after ${Math.round(performance.now() - killedAt)} ms.`)
    await page.getByRole("link", { name: "killed" }).click()
    await page.getByText("Crashed").first().waitFor()
    await context.close()
  })

  it("says that it is out of date while the server is down, and reconnects by itself", async () => {
    const { context, page } = await visit(browser, server)
    await signIn(page, server.token)
    await launch(page, "survives", 60_000)
    await ask(page, longQuestion)
    await page
      .getByText(/is ready|The question asks/)
      .first()
      .waitFor()
    await server.kill()
    await page.getByText("The server does not answer.").waitFor()
    server = await startServer({ page: folder, again: server })
    await page.getByText("The server does not answer.").waitFor({ state: "hidden" })
    // Its sandbox was one of the server that was killed.
    await page.getByText("Lost", { exact: true }).waitFor()
    await page.getByRole("button", { name: "Replace" }).click()
    await page.getByRole("alertdialog").getByRole("button", { name: "Replace" }).click()
    await page.getByRole("button", { name: "Pause" }).waitFor()
    await ask(page, "Tesla revenue 2024")
    await page.getByText("$97,690 million").first().waitFor()
    await context.close()
  })
})
