#!/usr/bin/env node
// The sample agent: answers questions on the bundled annual figures. It has no language model: it looks for
// companies, figures and years in the question, and says so when it finds anything it does not understand.
// One file without dependencies, for Node 18 and later. `--help` describes the protocol.
import { createHash } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { addAbortSignal } from "node:stream"
import { text as readAll } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

const VERSION = "0.1.0"
const KEPT_TURNS = 10
const HELP = `Usage: node sample-agent.mjs --request <file>   answer the request in a JSON file ("-" reads stdin)
       node sample-agent.mjs --health           check the bundled data
       node sample-agent.mjs --help

Request: {"id": string, "query": string, "session"?: string, "newSession"?: true, "maxIterations"?: number,
  "timeoutMs"?: number}
Output: one JSON object per line: ready, start, event (thinking, tool_start, ...), and one result at the end.
The exit code is 0 for the outcome "ok", else 1. There is no language model, so "usage" counts words: those of
the question as inputTokens, those of the answer as outputTokens. Sessions: .sample/sessions in the working directory.
Tools of your own: a module in the folder "tools" beside this file, whose default export is
{ name: string, accepts: (query) => arguments or undefined, run: (arguments) => the answer }.
SAMPLE_AGENT_STEP_MS=<milliseconds> pauses before every step, so that people can watch.`

/** @typedef {{ ticker: string, name: string, aliases: string[], fiscalYearEnds: string, years: Map<number, { revenue: number, netIncome: number }> }} Company */
/** @typedef {"revenue" | "netIncome" | "margin"} Metric */
/** What a question turned out to ask for; `focus` is what "it" means in the next question of the session.
 * @typedef {{ companies: string[], focus: string[], metrics: Metric[], growth: boolean, rank: -1 | 0 | 1, years: number[], range: boolean, latest: boolean }} Resolved */
/** @typedef {{ query: string, answer: string, resolved: Resolved }} Turn */
/** @typedef {{ text: string, word: string, kind: string, value?: any, possessive: boolean, joined: boolean, first: boolean, sentence: number }} Token */

/** Something that cannot be answered or done; the message is meant for the reader of the result. */
class Problem extends Error {}

/** The figures that ship beside this file. Throws a Problem when they cannot be used.
 * @returns {Company[]} */
export function loadData(url = new URL("./fundamentals.json", import.meta.url)) {
  try {
    const companies = JSON.parse(readFileSync(url, "utf8")).companies.map((company) => ({
      ...company,
      aliases: company.aliases ?? [],
      years: new Map(Object.entries(company.years).map(([year, figures]) => [Number(year), figures]))
    }))
    const figures = companies.flatMap((company) => [...company.years.values()])
    const sound = figures.every((year) => Number.isFinite(year.revenue) && Number.isFinite(year.netIncome))
    if (figures.length === 0 || !sound) throw new Error("it holds no usable figures")
    return companies
  } catch (error) {
    throw new Problem(`Cannot use the data file ${fileURLToPath(url)}: ${error.message}. Install it again.`)
  }
}

// ---- Words ----

const LABEL = { revenue: "revenue", netIncome: "net income", margin: "net margin" }
const OTHER_NAMES = { GOOGL: ["GOOG"], META: ["FB"], TSLA: ["Tesla Motors"] }
const NUMBERS = "one two three four five six seven eight nine ten".split(" ")

/** The words that are understood: a kind, a value, and the phrases that mean it. */
const PHRASES = `
metric | revenue | revenue, revenues, sales, net sales, turnover, top line
metric | netIncome | net income, net incomes, income, profit, profits, net profit, net profits, earnings,
    net earnings, earn, earned, earns, earning, bottom line, loss, losses, net loss, lost money, lose
    money, losing money, profitable
metric | margin | margin, margins, net margin, net margins, profit margin, profit margins, net profit
    margin, net profit margins, net income margin, profitability, percentage of revenue, percent of
    revenue, percentage of sales, percent of sales, percentage of its revenue, percent of its revenue
overview | 1 | overview, summary, summarize, summarise, figures, financials, results, performance,
    perform, performed, numbers, doing, do, fare, fared, make, made, making, money
growth | 1 | growth, growth rate, grow, grows, grew, grown, growing, increase, increased, increases,
    change, changed, changes, rise, rose, risen, gain, gained, improve, improved, expand, expanded, year
    over year, year on year, yoy, cagr, compound annual growth rate, compound annual growth, compound
    growth
growth | -1 | decrease, decreased, fall, fell, fallen, drop, dropped, decline, declined, shrink, shrank,
    shrunk
rank | 1 | highest, most, largest, biggest, greatest, best, top, maximum, max, fastest, strongest, rank,
    ranking, ranked, leader
rank | -1 | lowest, least, smallest, worst, bottom, minimum, min, slowest, weakest
compare | 1 | compare, compared, compares, comparing, comparison, versus, vs, than, difference, differ,
    higher, lower, more, less, bigger, larger, smaller, better, worse, ahead, against
latest |  | latest, most recent, newest, current, currently, most recently
latest | last year | last year, last fiscal year, this year, this fiscal year, past year
relative | -1 | year before, year before that, previous year, prior year, preceding year, year earlier,
    previous fiscal year, prior fiscal year, year prior
relative | 1 | year after, year after that, following year, next year, year later, next fiscal year
all | 1 | all companies, every company, each company, all the companies, all of the companies, which
    companies, all seven, all of them, magnificent seven, magnificent 7, mag 7, everyone
pronoun | focus | it, its, that company, this company, the same company, compare that, compare this, does
    that compare, does this compare
pronoun | companies | they, them, their, these companies, those companies, of them, both of them
about | 1 | what can you do, what can you answer, what do you know, who are you, what are you, help, do
    you know, do you cover, do you have, can you answer, can you do
blocked | a forecast | will, forecast, forecasts, predict, prediction, predicted, projected, projection,
    expect, expected, estimate, estimated, outlook, guidance, future, going to, what if, likely, tomorrow
blocked | an opinion or an explanation | should, buy, invest, investment, recommend, recommendation,
    opinion, think, why, undervalued, overvalued, reason, explain, because, advice
blocked | a share price or a valuation | stock, stocks, share, shares, per share, price, prices, market
    cap, market capitalization, market capitalisation, valuation, worth, eps, market share, dividend,
    dividends, buyback, buybacks, pe ratio
blocked | a figure other than revenue and net income | gross, operating, ebit, ebitda, cash, cash flow,
    free cash flow, debt, assets, liabilities, equity, employees, employee, headcount, expenses, expense,
    cost, costs, capex, spend, spent, spending, tax, taxes, pretax, adjusted, gaap, inflation, units,
    deliveries, users, subscribers, roe, roa, roi, r&d
blocked | a part of a company | segment, segments, product, products, division, region, country, customers
blocked | a period other than a fiscal year | quarter, quarters, quarterly, q1, q2, q3, q4, h1, h2, month,
    months, monthly, week, weekly, daily, ttm, trailing, half, january, february, april, june, july,
    august, september, october, november, december
blocked | a date relative to today (name the fiscal year) | ago, yesterday
blocked | a sum, an average or a median | combined, sum, average, averages, mean, median
blocked | leaving something out | except, excluding, exclude, excl, without, other than, besides, not
blocked | another currency | euro, euros, eur, yen, gbp, sterling, francs, yuan, rupees
known | | one, two, three, four, five, six, seven, eight, nine, ten, a, about, across, actual, actually,
    agent, all, along, also, amount, an, and, annual, annually,
    answer, any, are, as, ask, at, b, be, been, between, billion, billions, bn, book, booked, both, bring,
    brought, but, by, calculate, can, co, com, companies, company, compute, consolidated, corp,
    corporation, could, date, did, does, dollar, dollars, down, during, each, either, end, ended, ending,
    ends, every, exactly, fast, filed, filing, filings, find, fiscal, following, for, from, full, fy,
    generate, generated, get, give, given, gives, global, had, happen, happened, has, have, having, hello,
    here, hey, hi, high, how, i, if, in, inc, into, is, just, kindly, know, last, let, like, list, look,
    looked, looking, low, ltd, many, me, million, millions, much, my, name, need, net, no, now, number,
    of, ok, okay, on, onward, onwards, or, our, out, over, overall, past, percent, percentage, period,
    plc, please, post, posted, present, previous, prior, question, quick, quickly, rate, record, recorded,
    report, reported, respective, respectively, same, say, says, see, show, since, so, some, something,
    take, tell, term, terms, thank, thanks, that, the, then, there, these, this, those, through, thru,
    till, time, to, today, together, total, trend, turned, until, up, us, usd, using, want, was, we, well,
    were, what, whats, when, where, whether, which, while, who, whose, with, worldwide, would, year,
    yearly, years, yes, you, your, is it true, is it true that, will you, would you, at least, at most,
    after tax, after taxes, why not, 10-k, 10k, form 10-k, does not matter, do not know, tell, don, doesn,
    didn, isn, wasn, t, m, re, ve, ll, d`

/** @type {Map<string, { kind: string, value: any }>} */
const LEXICON = new Map(
  PHRASES.replace(/\n {4}/g, " ")
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((part) => part.trim()))
    .flatMap(([kind, value, phrases]) =>
      phrases
        .split(/, */)
        .map((phrase) => [phrase, { kind, value: /^-?1$/.test(value) ? Number(value) : value }])
    )
)

/** With the names of the companies. @param {Company[]} data */
const lexiconOf = (data) =>
  new Map([
    ...LEXICON,
    ...data.flatMap((company) =>
      [company.ticker, company.name, ...company.aliases, ...(OTHER_NAMES[company.ticker] ?? [])].map(
        (name) => [name.toLowerCase(), { kind: "company", value: company.ticker }]
      )
    )
  ])

// ---- Understanding a question ----

const WORD =
  /['’]\d\d(?!\d)|['’][sS](?![\p{L}\p{N}])|\$?\d{1,3}(?:,\d{3})+|\$?[\p{L}\p{M}\p{N}_]+(?:[-–.&][\p{L}\p{M}\p{N}_]+)*|[-–—,;:.!?\n]/gu
const ARTICLES = new Set(["the", "a", "an", "its", "fiscal", "year", "years", "fy"])
const JOINERS = new Set([..."and or vs versus than with against to".split(" "), ","])
const PREPOSITIONS = new Set("from in by per of for on at".split(" "))
const BEFORE_A_YEAR = new Set("in for of since from to until till through fiscal year fy".split(" "))
const UNITS = new Set(
  "million millions billion billions bn percent dollars companies company year years fiscal".split(" ")
)
const RANGES = new Set(["to", "through", "thru", "until", "till", "up to", "-", "–", "—", "from"])
const NOW = new Set(["now", "today", "date", "present", "latest", "current"])
const COMPARED = new Set("from over than on with to versus vs against".split(" "))
const ANCHORS = new Set(["company", "metric", "year", "pronoun", "relative"])
const ASKING = "company metric growth rank year relative latest compare pronoun".split(" ")
const MODIFIERS = new Set(["growth", "rank", "compare", "overview"])

/** Cuts a question into words and phrases of a kind each, in time linear in its length.
 * @param {string} query @param {Company[]} data @returns {Token[]} */
function tokenize(query, data) {
  const lexicon = lexiconOf(data)
  /** @type {Token[]} */
  const words = []
  let sentence = 0
  let first = true
  let end = -1
  for (const match of query.normalize("NFKC").matchAll(WORD)) {
    const piece = match[0]
    const attached = match.index === end
    end = match.index + piece.length
    if (/^[;:.!?\n]$/.test(piece)) {
      sentence += 1
      first = true
    } else if (/^['’]s$/i.test(piece)) {
      if (attached && words.length > 0) words[words.length - 1].possessive = true
    } else {
      const whole = /^['’]\d\d$/.test(piece) ? `20${piece.slice(1)}` : piece
      const parts = whole.length < 2 || lexicon.has(whole.toLowerCase()) ? [whole] : whole.split(/[-–.&]/)
      for (const [index, part] of parts.entries()) {
        const joined = index > 0 && /[-–]/.test(whole)
        words.push({
          text: part,
          word: part.toLowerCase(),
          kind: "unknown",
          possessive: false,
          joined,
          first,
          sentence
        })
        first = false
      }
    }
  }
  const tokens = words.flatMap(phraseAt(lexicon)).map(withoutLookalikes)
  // In a question of several sentences, those without a company, figure or year are not about our data.
  const anchored = anchors(tokens)
  const stray = (token) => MODIFIERS.has(token.kind) && anchored.size > 0 && !anchored.has(token.sentence)
  return tokens.map((token) =>
    stray(token) ? { ...token, kind: "unknown", text: token.text.toLowerCase() } : token
  )
}

/** The sentences that have something to do with the data. @param {Token[]} tokens */
const anchors = (tokens) =>
  new Set(tokens.filter((token) => ANCHORS.has(token.kind)).map((token) => token.sentence))

/** Joins words that make a phrase, the longest first, and gives each its kind. */
const phraseAt = (lexicon) => {
  let skip = 0
  return (word, at, words) => {
    if (skip > 0) {
      skip -= 1
      return []
    }
    const span = words.slice(at, at + 5).filter((other) => other.sentence === word.sentence)
    for (let size = span.length; size > 0; size -= 1) {
      const phrase = span
        .slice(0, size)
        .map((part) => part.word)
        .join(" ")
        .replace(/^\$/, "")
      const entry = lexicon.get(phrase)
      if (entry !== undefined) {
        skip = size - 1
        return [{ ...word, ...entry, word: phrase, possessive: span[size - 1].possessive }]
      }
    }
    const year = /^(?:fy)?(\d{4})$/.exec(word.word) ?? /^fy(\d\d)$/.exec(word.word)
    if (year !== null) return [{ ...word, kind: "year", value: Number(year[1].padStart(4, "20")) }]
    if (/^[-–—,]$/.test(word.word)) return [{ ...word, kind: "mark" }]
    return [/^\$?\d/.test(word.word) ? { ...word, kind: "number", value: Number(word.word) } : word]
  }
}

/** "meta-analysis" and "a meta description" are not about a company; "$2024" and "2000 million" are not years. */
const withoutLookalikes = (token, at, tokens) => {
  const next = tokens[at + 1]
  const previous = tokens[at - 1]
  const part = (next?.joined && next.kind === "unknown") || (token.joined && previous?.kind === "unknown")
  const prefix = token.text === "meta" && next?.kind === "unknown" && next.sentence === token.sentence
  if (token.kind === "company" && (part || prefix))
    return { ...token, kind: "unknown", text: token.text.toLowerCase() }
  if (token.kind === "year" && /^(million|billion|bn)/.test(next?.word ?? ""))
    return { ...token, kind: "number" }
  return token
}

/** Names and figures that the question is about and that the data does not have, such as another company.
 * Other words that are not understood do no harm, and are listed in the answer. @param {Token[]} tokens */
function strangers(tokens) {
  const anchored = anchors(tokens)
  const isA = (at, kind) => tokens[at]?.kind === kind
  const strange = (token, at) => {
    if (!anchored.has(token.sentence)) return false
    if (token.kind === "number") {
      return (
        Number.isInteger(token.value) &&
        BEFORE_A_YEAR.has(tokens[at - 1]?.word) &&
        !UNITS.has(tokens[at + 1]?.word)
      )
    }
    if (token.kind !== "unknown") return false
    let before = at - 1
    while (ARTICLES.has(tokens[before]?.word)) before -= 1
    const named =
      /^\$\p{L}/u.test(token.text) ||
      /^.+\p{Lu}/u.test(token.text) ||
      (!token.first && /^\p{Lu}./u.test(token.text))
    const listed =
      (JOINERS.has(tokens[at - 1]?.word) && isA(at - 2, "company")) ||
      (JOINERS.has(tokens[at + 1]?.word) && tokens[at + 1].word !== "," && isA(at + 2, "company"))
    const measured =
      isA(at + 1, "metric") || (PREPOSITIONS.has(tokens[before]?.word) && isA(before - 1, "metric"))
    return named || token.possessive || listed || measured
  }
  return tokens.filter(strange)
}

// oxlint-disable-next-line no-array-sort -- Node 18 has no toSorted
const sorted = (items, by) => [...items].sort(by)
const ascending = (numbers) => sorted(new Set(numbers), (a, b) => a - b)

/** The years between two. An absurd range is not spelled out: its ends are missing from the data anyway. */
const fill = (a, b) =>
  Math.abs(b - a) > 100
    ? [a, b]
    : Array.from({ length: Math.abs(b - a) + 1 }, (_, index) => Math.min(a, b) + index)

/** @param {Token[]} tokens @param {number} newest @returns {{ years: number[], range: boolean }} */
function yearsIn(tokens, newest) {
  const plain = tokens.filter((token) => !ARTICLES.has(token.word))
  const wordAt = (at) => plain[at]?.word ?? ""
  const found = []
  let previous
  let ranges = 0
  for (const [at, token] of plain.entries()) {
    const short =
      token.kind === "number" && token.joined && previous?.at === at - 1 && /^\d\d$/.test(token.word)
    if (token.kind !== "year" && !short) continue
    const year = short ? Math.trunc(previous.year / 100) * 100 + token.value : token.value
    const between =
      previous &&
      plain
        .slice(previous.at + 1, at)
        .slice(0, 4)
        .map((other) => other.word)
        .join(" ")
    const spans =
      previous !== undefined &&
      (RANGES.has(between) ||
        (between === "" && token.joined) ||
        (between === "and" && wordAt(previous.at - 1) === "between"))
    const open =
      wordAt(at - 1) === "since" ||
      /^onwards?$/.test(wordAt(at + 1)) ||
      (RANGES.has(wordAt(at + 1)) && NOW.has(wordAt(at + 2)))
    if (spans || open) ranges += 1
    found.push(...(spans ? fill(previous.year, year) : open ? fill(year, Math.max(year, newest)) : [year]))
    previous = { at, year }
  }
  return { years: ascending(found), range: ranges === 1 }
}

/** "the last three years": how many, or undefined. @param {Token[]} tokens */
function spanIn(tokens) {
  const plain = tokens.filter((token) => token.word !== "fiscal")
  const isCount = (token) => token.kind === "number" || NUMBERS.includes(token.word)
  const at = plain.findIndex(
    (token, index) => isCount(token) && /^years?$/.test(plain[index + 1]?.word ?? "")
  )
  if (at < 0) return undefined
  return plain[at].kind === "number" ? plain[at].value : NUMBERS.indexOf(plain[at].word) + 1
}

/** The years for which the company has figures, ascending. @param {Company} company */
const yearsOf = (company) => ascending(company.years.keys())
/** The latest year that all of these companies have. @param {string[]} tickers @param {Company[]} data */
const newestOf = (tickers, data) =>
  Math.min(
    ...data
      .filter(({ ticker }) => tickers.length === 0 || tickers.includes(ticker))
      .map((of) => Math.max(...yearsOf(of)))
  )
const list = (items) =>
  items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`
const span = (years) =>
  years.length > 2 && years[years.length - 1] - years[0] === years.length - 1
    ? `${years[0]} to ${years[years.length - 1]}`
    : list(years.length > 6 ? [...years.slice(0, 5), `${years.length - 5} more`] : years)
const quoted = (tokens) => {
  const words = [...new Set(tokens.map((token) => `"${token.text.slice(0, 30)}"`))]
  return words.length > 5 ? `${words.slice(0, 5).join(", ")} and ${words.length - 5} more` : list(words)
}

/** What can be asked, in one sentence. @param {Company[]} data */
function coverage(data) {
  const groups = new Map()
  for (const company of data) {
    const years = span(yearsOf(company))
    groups.set(years, [...(groups.get(years) ?? []), company.name])
  }
  const parts = [...groups].map(([years, companies]) => `${list(companies)} (fiscal years ${years})`)
  return `What I have is annual revenue, net income, net margin and their growth for ${list(parts)}.`
}

/** What the words of a question say by themselves. @param {string} query @param {Company[]} data @param {Resolved} [before] */
function read(query, data, before) {
  const tokens = tokenize(query, data)
  const all = (kind) => tokens.filter((token) => token.kind === kind)
  const values = (kind) => [...new Set(all(kind).map((token) => token.value))]
  const named = values("company")
  const firstOf = (kind) => tokens.findIndex((token) => token.kind === kind)
  const opening = tokens
    .slice(0, 2)
    .map((token) => token.word)
    .join(" ")
  let beforeRelative = firstOf("relative") - 1
  while (ARTICLES.has(tokens[beforeRelative]?.word)) beforeRelative -= 1
  const leftover = (token, at) =>
    token.kind === "unknown" ||
    (token.kind === "number" && !token.joined && !/^(fiscal|years?)$/.test(tokens[at + 1]?.word ?? ""))
  return {
    has: (kind) => firstOf(kind) >= 0,
    values,
    ...yearsIn(tokens, newestOf(named.length > 0 ? named : (before?.companies ?? []), data)),
    span: spanIn(tokens),
    companies: named,
    metrics: values("metric"),
    unknown: all("unknown"),
    strangers: strangers(tokens),
    unused: quoted(tokens.filter(leftover)),
    continues: /^(and|what about|how about|also|then)\b/.test(opening),
    /** "it" stands for something said earlier, not for a company that this question names first. */
    pronoun:
      firstOf("company") < 0 || firstOf("pronoun") < firstOf("company") ? values("pronoun")[0] : undefined,
    /** "than the year before" compares with that year, "in the year before" asks for it. */
    comparesYears: firstOf("relative") >= 0 && COMPARED.has(tokens[beforeRelative]?.word),
    saysYear: tokens.some((token) => token.word === "year")
  }
}

/** Finds out what a question asks for, with the help of the turn before it. Throws a Problem that says what is
 * missing and what there is. @param {string} query @param {Company[]} data @param {Turn} [turn]
 * @returns {Resolved & { about: boolean, compares: boolean, unused: string, readAs: string }} */
function understand(query, data, turn) {
  const said = read(query, data, turn?.resolved)
  const asks = said.span !== undefined || ASKING.some(said.has) || (said.continues && said.unknown.length > 0)
  const before = asks ? turn?.resolved : undefined
  const about =
    said.has("about") && said.unknown.length === 0 && !["company", "metric", "year", "growth"].some(said.has)
  const who = companiesOf(said, data, before)
  const what = metricsOf(said, before)
  const problems = problemsOf(said, data, before)
  const lost =
    (said.has("relative") && !said.comparesYears && said.years.length === 0) || said.pronoun || said.continues
  if (lost && !before && (!who.companies.length || !what.metrics.length || said.has("relative"))) {
    problems.push("it follows up on an earlier question, and there is no earlier question in this session")
  } else if (!about) {
    if (who.companies.length === 0) problems.push("it names no company that I know")
    if (what.metrics.length === 0) problems.push("it names no figure that I have")
  }
  // What the question does not say is filled in only if every word that it does say is understood.
  if ((who.follows || what.guessed) && said.unknown.length > 0 && said.strangers.length === 0) {
    problems.push(`I do not understand ${quoted(said.unknown)}`)
  }
  if (problems.length > 0)
    throw new Problem(`I cannot answer this: ${problems.join("; ")}. ${coverage(data)}`)

  const follows = before !== undefined && (said.continues || who.follows || what.follows)
  const inheritsHow = before !== undefined && (what.follows || said.continues)
  const growth = said.has("growth") || (inheritsHow && before.growth)
  const sign = said.values("growth").includes(-1) ? -1 : 1
  const rank = said.has("rank")
    ? said.values("rank")[0] * sign
    : inheritsHow && who.inherited
      ? before.rank
      : 0
  const chosen = data.filter((company) => who.companies.includes(company.ticker))
  const when = about
    ? said
    : periodOf(said, newestOf(who.companies, data), growth, follows ? before : undefined, before)
  const compares = said.has("compare") || said.comparesYears
  const how = {
    growth,
    rank,
    focus: who.companies,
    ...what,
    ...who,
    ...when,
    about,
    unused: said.unused,
    compares
  }
  if (rank !== 0 && chosen.length === 1) {
    if (when.latest && !said.has("latest"))
      return { ...how, years: yearsOf(chosen[0]).slice(growth ? 1 : 0), latest: false }
    if (when.years.length === 1) return { ...how, companies: data.map((company) => company.ticker) }
  }
  return how
}

/** Why a question cannot be answered, whatever else it says. */
function problemsOf(said, data, before) {
  const problems = said.values("blocked").map((what) => `it asks for ${what}`)
  const future = said.values("relative").includes(1) && said.years.length === 0 && before === undefined
  if (future && problems.length === 0) problems.push("it asks for a forecast")
  if (said.strangers.length > 0)
    problems.push(`I have no figures for, or do not understand, ${quoted(said.strangers)}`)
  const absent = said.years.filter((year) => !data.some((company) => company.years.has(year)))
  if (absent.length > 0)
    problems.push(`I have no figures for fiscal year${absent.length > 1 ? "s" : ""} ${span(absent)}`)
  return problems
}

/** `follows`: filled in from the turn before; `inherited`: and nothing but that. */
function companiesOf(said, data, before) {
  const everyone = data.map((company) => company.ticker)
  const { companies } = said
  if (before !== undefined && said.pronoun !== undefined) {
    const inherited = companies.length === 0 && said.pronoun === "companies"
    return { companies: [...new Set([...before[said.pronoun], ...companies])], follows: true, inherited }
  }
  if (companies.length > 0) return { companies, follows: false, inherited: false }
  if (said.has("all") || (said.has("rank") && !(before && said.continues))) {
    return { companies: everyone, follows: false, inherited: false }
  }
  return {
    companies: before?.companies ?? [],
    follows: before !== undefined,
    inherited: before !== undefined
  }
}

/** `guessed`: the question does not say it; `follows`: it is taken from the turn before. */
function metricsOf(said, before) {
  if (said.metrics.length > 0) return { metrics: said.metrics, guessed: false, follows: false }
  if (said.has("overview") && !said.has("compare") && !said.has("growth")) {
    return { metrics: ["revenue", "netIncome", "margin"], guessed: true, follows: false }
  }
  const complete = said.companies.length > 0 && said.pronoun === undefined && !said.continues
  if (before !== undefined && !(said.has("growth") && complete)) {
    return { metrics: before.metrics, guessed: true, follows: true }
  }
  return { metrics: said.has("growth") ? ["revenue"] : [], guessed: true, follows: false }
}

/** Which fiscal years are meant. @param {number} newest @param {Resolved} [inherited] @param {Resolved} [before]
 * @returns {{ years: number[], range: boolean, latest: boolean, readAs: string }} */
function periodOf(said, newest, growth, inherited, before) {
  const found = { years: said.years, range: said.range && said.years.length > 1, latest: false, readAs: "" }
  const stated = said.years.length > 0
  if (said.has("relative")) {
    const base = stated ? said.years : ((said.comparesYears ? inherited : before)?.years ?? [newest])
    const other = said.values("relative")[0] === 1 ? Math.max(...base) + 1 : Math.min(...base) - 1
    if (growth && (stated || said.comparesYears)) return { ...found, years: base }
    return { ...found, years: stated || said.comparesYears ? ascending([...base, other]) : [other] }
  }
  if (stated) return found
  if (said.span !== undefined) {
    const count = Math.min(said.span, 100) + (growth ? 1 : 0)
    return {
      ...found,
      years: Array.from({ length: count }, (_, at) => newest - count + 1 + at),
      range: growth
    }
  }
  if (
    inherited !== undefined &&
    !inherited.latest &&
    !said.has("latest") &&
    !(said.has("rank") && said.saysYear)
  ) {
    return { ...found, years: inherited.years, range: inherited.range }
  }
  return {
    ...found,
    years: [newest],
    latest: true,
    readAs: said.values("latest").find((value) => value !== "") ?? ""
  }
}

// ---- Tools ----

/** Tools by name. They get everything they need as arguments, and throw a Problem. */
const TOOLS = new Map([
  [
    "get_fundamentals",
    ({ ticker, years }, data) => {
      const company = data.find((candidate) => candidate.ticker === ticker)
      const missing = years.filter((year) => !company.years.has(year))
      if (missing.length > 0) {
        const plural = missing.length > 1 ? "s" : ""
        throw new Problem(
          `I have no figures for ${company.name} in fiscal year${plural} ${span(missing)}. ${coverage(data)}`
        )
      }
      const figures = Object.fromEntries(years.map((year) => [year, company.years.get(year)]))
      return {
        ticker,
        name: company.name,
        fiscalYearEnds: company.fiscalYearEnds,
        unit: "USD million",
        figures
      }
    }
  ],
  [
    "calculate",
    ({ operation, from, to, years, netIncome, revenue }) => {
      if (operation === "net_margin") return (netIncome / revenue) * 100
      if (operation === "point_change") return to - from
      // A percentage says nothing where one of the two figures is a loss.
      if (from <= 0 || to < 0) return null
      return ((to / from) ** (operation === "cagr" ? 1 / years : 1) - 1) * 100
    }
  ]
])

// ---- Answering ----

const money = (millions) => `$${String(Math.abs(millions)).replace(/\B(?=(\d{3})+$)/g, ",")} million`
const percent = (value) => `${value.toFixed(1).replace(/^-0\.0$/, "0.0")}%`
const points = (value) => `${Math.abs(value).toFixed(1)} percentage points`
const amount = (metric, value) =>
  metric === "margin" ? percent(value) : value < 0 ? `a net loss of ${money(value)}` : money(value)
const possessive = (name) => (name.endsWith("s") ? `${name}'` : `${name}'s`)
const SOURCE = "Source: bundled sample figures from Form 10-K filings; no language model was used."

/** The work on one question, as steps for whoever drives it: `{ thinking }` and `{ tool, args }`, which is answered
 * with the result of the tool. Returns the answer; throws a Problem. @param {string} query @param {Company[]} data
 * @param {Turn} [turn] */
function* work(query, data, turn) {
  let question
  try {
    question = understand(query, data, turn)
  } catch (problem) {
    yield {
      thinking: "I looked for companies, figures and fiscal years in the question, and cannot answer it."
    }
    throw problem
  }
  if (question.about) {
    yield { thinking: "The question is about me." }
    return {
      answer: `I am a sample agent without a language model. ${coverage(data)} ${SOURCE}`,
      resolved: undefined
    }
  }
  const { metrics, growth, range, years } = question
  const periods =
    growth && range
      ? [{ from: years[0], to: years[years.length - 1] }]
      : years.map((year) => ({ from: growth ? year - 1 : year, to: year }))
  const needed = ascending(periods.flatMap((period) => [period.from, period.to]))
  const asked = data.filter((company) => question.companies.includes(company.ticker))
  const complete = asked.filter((company) => needed.every((year) => company.years.has(year)))
  const companies = asked.length === data.length && complete.length > 1 ? complete : asked
  yield { thinking: describe(question, companies, data) }

  const values = new Map()
  for (const { ticker } of companies) {
    const { figures } = yield { tool: "get_fundamentals", args: { ticker, years: needed } }
    for (const year of needed) values.set(`${ticker} revenue ${year}`, figures[year].revenue)
    for (const year of needed) values.set(`${ticker} netIncome ${year}`, figures[year].netIncome)
  }
  const value = (company, metric, year) => values.get(`${company.ticker} ${metric} ${year}`)
  if (metrics.includes("margin")) {
    yield { thinking: "Net margin is net income divided by revenue." }
    for (const company of companies) {
      for (const year of needed) {
        const figures = {
          netIncome: value(company, "netIncome", year),
          revenue: value(company, "revenue", year)
        }
        const margin = yield { tool: "calculate", args: { operation: "net_margin", ...figures } }
        values.set(`${company.ticker} margin ${year}`, margin)
      }
    }
  }
  const comparesTwoYears =
    question.compares && companies.length === 1 && years.length === 2 && question.rank === 0
  const changes = growth ? periods : comparesTwoYears ? [{ from: years[0], to: years[1] }] : []
  if (changes.length > 0) yield { thinking: "Computing the change between the years." }
  const changed = []
  for (const metric of metrics) {
    for (const company of companies) {
      for (const period of changes) {
        const from = value(company, metric, period.from)
        const to = value(company, metric, period.to)
        const operation = metric === "margin" ? "point_change" : "growth"
        const change = yield { tool: "calculate", args: { operation, from, to } }
        const ends = { from, to, years: period.to - period.from }
        const yearly = ends.years > 1 && operation === "growth" && change !== null
        const cagr = yearly ? yield { tool: "calculate", args: { operation: "cagr", ...ends } } : null
        changed.push({ metric, company, period, from, to, value: change, cagr })
      }
    }
  }
  yield { thinking: "Writing the answer." }
  const plain = metrics.flatMap((metric) =>
    companies.flatMap((company) =>
      periods.map((period) => ({ metric, company, period, value: value(company, metric, period.to), values }))
    )
  )
  const left = asked.filter((company) => !companies.includes(company))
  return compose(question, growth ? changed : plain, growth ? [] : changed, { companies, left, needed })
}

/** @param {Resolved} question */
function describe({ metrics, growth, rank, years }, companies, data) {
  const what = `${growth ? "growth of " : ""}${list(metrics.map((metric) => LABEL[metric]))}`
  const whose =
    companies.length === data.length ? "all companies" : list(companies.map((company) => company.name))
  const aim = rank === 0 ? "" : `, ${rank > 0 ? "highest" : "lowest"} first`
  return `The question asks for ${what} of ${whose} in fiscal year${years.length > 1 ? "s" : ""} ${span(years)}${aim}.`
}

const groupBy = (rows, key) => {
  const groups = new Map()
  for (const row of rows) groups.set(key(row), [...(groups.get(key(row)) ?? []), row])
  return [...groups.values()]
}
const label = (row, growth) => `${LABEL[row.metric]}${growth ? " growth" : ""}`
const shown = (row, growth) =>
  !growth
    ? amount(row.metric, row.value)
    : row.metric === "margin"
      ? `${row.value.toFixed(1)} points`
      : percent(row.value)
const when = ({ period }, growth) =>
  growth && period.to - period.from > 1
    ? `from fiscal year ${period.from} to ${period.to}`
    : `in fiscal year ${period.to}`

/** One sentence on one figure of one company. */
function factSentence(rows) {
  const [{ company, metric, period, value, values }] = rows
  const subject = `${possessive(company.name)} ${LABEL[metric]}`
  if (rows.length > 1) {
    const items = rows.map(
      (row, at) => `${amount(metric, row.value)} in ${at === 0 ? "fiscal year " : ""}${row.period.to}`
    )
    return `${subject} was ${list(items)}.`
  }
  const [netIncome, revenue] = ["netIncome", "revenue"].map((of) =>
    values.get(`${company.ticker} ${of} ${period.to}`)
  )
  const basis = netIncome < 0 ? amount("netIncome", netIncome) : `net income of ${money(netIncome)}`
  const detail = metric === "margin" ? ` (${basis} on revenue of ${money(revenue)})` : ""
  return `${subject} in fiscal year ${period.to} was ${amount(metric, value)}${detail}.`
}

/** One sentence on a change between two years. */
function changeSentence({ company, metric, period, from, to, value, cagr }) {
  const subject = `${possessive(company.name)} ${LABEL[metric]}`
  const ends = [
    `fiscal year ${period.from} (${amount(metric, from)})`,
    `fiscal year ${period.to} (${amount(metric, to)})`
  ]
  const between = `from ${ends[0]} to ${ends[1]}`
  if (value === null) return `${subject} went ${between}; with a loss, a percentage would not be meaningful.`
  const verb = value < 0 ? "fell" : "grew"
  if (metric === "margin") return `${subject} ${value < 0 ? "fell" : "rose"} ${points(value)} ${between}.`
  const yearly = cagr === null ? "" : `, a compound annual growth rate (CAGR) of ${percent(cagr)}`
  return `${subject} ${verb} ${percent(Math.abs(value))} ${between}${yearly}.`
}

/** Who, or which year, comes first. `rows` are of one metric. */
function ranking(rows, rank, growth, overYears) {
  const valued = rows.filter((row) => row.value !== null)
  const [best, ...rest] = sorted(valued, (a, b) => (b.value - a.value) * rank)
  const end = rank > 0 ? "highest" : "lowest"
  const none = rows
    .filter((row) => row.value === null)
    .map((row) => (overYears ? row.period.to : row.company.name))
  const excluded = none.length > 0 ? ` No meaningful percentage (a loss) for ${list(none)}.` : ""
  if (best === undefined) return { line: excluded.trim(), best: rows[0] }
  const others = rest.map((row) => `${overYears ? row.period.to : row.company.name} (${shown(row, growth)})`)
  const then = others.length > 0 ? ` Then ${list(others)}.` : ""
  const name = best.company.name
  const head = overYears
    ? `${possessive(name)} ${label(best, growth)} was ${end} ${when(best, growth)}: ${shown(best, growth)}.`
    : `${name} had the ${end} ${label(best, growth)} ${when(best, growth)}: ${shown(best, growth)}.`
  return { line: `${head}${then}${excluded}`, best }
}

/** Which of several companies is ahead. `rows` are of one metric and period. */
function comparison(rows, growth, several) {
  const valued = rows.filter((row) => row.value !== null)
  const order = sorted(valued, (a, b) => b.value - a.value)
  if (order.length < 2) return []
  const [top] = order
  const low = order[order.length - 1]
  const what = label(top, growth)
  const lead = several ? `${when(top, growth).replace(/^[if]/, (letter) => letter.toUpperCase())}: ` : ""
  if (order.length > 2) return [`${lead}Highest ${what}: ${top.company.name}; lowest: ${low.company.name}.`]
  const gap = growth || top.metric === "margin" ? points(top.value - low.value) : money(top.value - low.value)
  return [`${lead}${possessive(top.company.name)} ${what} was higher, by ${gap}.`]
}

/** Puts the answer together. */
function compose(question, rows, changes, { companies, left, needed }) {
  const { rank, growth } = question
  const overYears = rank !== 0 && companies.length === 1
  let { focus } = question
  let lines
  if (rank !== 0) {
    const ranked = groupBy(rows, (row) => (overYears ? row.metric : `${row.metric} ${row.period.to}`)).map(
      (group) => ranking(group, rank, growth, overYears)
    )
    focus = [ranked[0].best.company.ticker]
    lines = ranked.map((entry) => entry.line)
  } else {
    const facts = growth
      ? rows.map(changeSentence)
      : groupBy(rows, (row) => `${row.metric} ${row.company.ticker}`).map(factSentence)
    const groups = groupBy(rows, (row) => `${row.metric} ${row.period.to}`)
    const several = groupBy(rows, (row) => row.period.to).length > 1
    lines = [
      ...facts,
      ...changes.map(changeSentence),
      ...groups.flatMap((group) => comparison(group, growth, several))
    ]
  }
  const notes = []
  const ends = groupBy(companies, (company) => company.fiscalYearEnds)
  if (ends.length > 1) {
    const parts = ends.map(
      (same) => `${same[0].fiscalYearEnds} (${same.map((company) => company.name).join(", ")})`
    )
    notes.push(`Fiscal years end in ${list(parts)}.`)
  }
  const newer = companies.filter((company) => Math.max(...yearsOf(company)) > Math.max(...needed))
  if (question.latest && newer.length > 0)
    notes.push(`${needed[needed.length - 1]} is the latest year that all of them have.`)
  if (left.length > 0)
    notes.push(`Left out for want of figures: ${list(left.map((company) => company.name))}.`)
  if (question.readAs !== "") notes.push(`I took "${question.readAs}" as the latest fiscal year that I have.`)
  if (question.unused !== "") notes.push(`Not used from the question: ${question.unused}.`)
  const { metrics, years, range, latest } = question
  const resolved = {
    companies: companies.map((company) => company.ticker),
    focus,
    metrics,
    growth,
    rank,
    years,
    range,
    latest
  }
  return {
    answer: `${lines.join("\n")}${lines.length > 1 ? "\n" : " "}${[...notes, SOURCE].join(" ")}`,
    resolved
  }
}

/** Answers a question at once, without events. @param {string} query @param {Company[]} data @param {Turn} [turn]
 * @returns {{ answer: string, error: string, resolved?: Resolved }} */
export function answer(query, data, turn) {
  const steps = work(query, data, turn)
  try {
    let step = steps.next()
    while (!step.done) step = steps.next(step.value.tool && TOOLS.get(step.value.tool)(step.value.args, data))
    return { error: "", ...step.value }
  } catch (error) {
    if (error instanceof Problem) return { answer: "", error: error.message }
    throw error
  }
}

// ---- Sessions ----

/** The name is hashed, so that no name leads to another folder or to another session. @param {string} session */
const sessionFile = (session) => {
  const readable = session.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 40)
  const hash = createHash("sha256").update(session).digest("hex").slice(0, 16)
  return join(".sample", "sessions", `${readable}-${hash}.json`)
}

const filled = (items, accepts) => Array.isArray(items) && items.length > 0 && items.every(accepts)
const isText = (value) => typeof value === "string" && value.trim() !== ""
const isCount = (value) => Number.isInteger(value) && value > 0 && value < 2 ** 31

const isTurn = (turn, data) => {
  const { companies, focus, metrics, growth, rank, years, range, latest } = turn.resolved
  const known = (ticker) => data.some((company) => company.ticker === ticker)
  return (
    [turn.query, turn.answer].every((value) => typeof value === "string") &&
    [growth, range, latest].every((value) => typeof value === "boolean") &&
    [-1, 0, 1].includes(rank) &&
    filled(companies, known) &&
    filled(focus, known) &&
    filled(metrics, (metric) => Object.keys(LABEL).includes(metric)) &&
    filled(years, Number.isInteger)
  )
}

/** The turns of a session so far. A file that cannot be used is set aside and reported.
 * @param {string} session @param {Company[]} data @returns {{ turns: Turn[], notice?: string }} */
function loadSession(session, data) {
  const file = sessionFile(session)
  try {
    const { turns } = JSON.parse(readFileSync(file, "utf8"))
    if (!Array.isArray(turns) || !turns.every((turn) => isTurn(turn, data)))
      throw new Error("it holds no valid turns")
    return { turns }
  } catch (error) {
    if (error.code === "ENOENT") return { turns: [] }
    const aside = `${file}.corrupt-${Date.now()}`
    let kept = `It is kept as ${aside}.`
    try {
      renameSync(file, aside)
    } catch (cause) {
      kept = `It could not be set aside: ${cause.message}.`
    }
    return {
      turns: [],
      notice: `The session file ${file} cannot be used (${error.message}); starting anew. ${kept}`
    }
  }
}

/** @param {string} session @param {Turn[]} turns @returns {string | undefined} a notice if it could not be written */
function saveSession(session, turns) {
  const file = sessionFile(session)
  try {
    mkdirSync(join(".sample", "sessions"), { recursive: true })
    writeFileSync(
      `${file}.${process.pid}.tmp`,
      JSON.stringify({ version: 1, turns: turns.slice(-KEPT_TURNS) })
    )
    renameSync(`${file}.${process.pid}.tmp`, file)
    return undefined
  } catch (error) {
    return `The session could not be saved, so that follow-up questions will not work: ${error.message}`
  }
}

// ---- Requests ----

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const wordCount = (of) => of.split(/\s+/).filter((word) => word !== "").length
const sinceMs = (start) => Math.round(performance.now() - start)

/** @param {unknown} request @returns {{ id: string, query: string, session?: string, newSession: boolean, maxIterations: number, timeoutMs?: number }} */
function checkRequest(request) {
  const expected = 'Send a JSON object such as {"id": "q1", "query": "What was Tesla\'s revenue in 2024?"}.'
  if (typeof request !== "object" || request === null || Array.isArray(request)) {
    throw new Problem(`The request is not a JSON object. ${expected}`)
  }
  const { query, id = "q1" } = request
  const session = request.session ?? undefined
  const maxIterations = request.maxIterations ?? 10
  const timeoutMs = request.timeoutMs ?? undefined
  if (!isText(query)) throw new Problem(`The request has no "query", or it is not a text. ${expected}`)
  if (!isText(id)) throw new Problem(`The "id" of the request is not a text. ${expected}`)
  if (session !== undefined && !isText(session))
    throw new Problem('The "session" of the request is not a text. Leave it out or name it.')
  for (const [name, count] of Object.entries({ maxIterations, timeoutMs: timeoutMs ?? 1 })) {
    if (!isCount(count))
      throw new Problem(
        `"${name}" of the request is not a whole number of at least 1. Correct it or leave it out.`
      )
  }
  return { id, query, session, newSession: request.newSession === true, maxIterations, timeoutMs }
}

/** @param {string} file or "-" for stdin @param {AbortSignal} signal @returns {Promise<any>} */
async function readRequest(file, signal) {
  let doing = "Cannot read the request. Name a readable file"
  try {
    const reading =
      file === "-"
        ? readAll(addAbortSignal(signal, process.stdin))
        : readFile(file, { encoding: "utf8", signal })
    const source = await reading
    doing = "The request is not valid JSON. Send one JSON object"
    return JSON.parse(source.replace(/^\uFEFF/, ""))
  } catch (error) {
    throw new Problem(`${doing}: ${error.message}.`)
  }
}

// ---- Tools of the user's own ----

/** @typedef {{ name: string, accepts: (query: string) => object | undefined, run: (args: object) => unknown }} OwnTool */

/** The modules in the folder `tools` beside this file. A broken one is a Problem. @returns {Promise<OwnTool[]>} */
async function ownTools() {
  const folder = new URL("./tools/", import.meta.url)
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => name.endsWith(".mjs"))
  return Promise.all(
    names.toSorted().map(async (name) => {
      try {
        const { default: tool } = await import(new URL(name, folder).href)
        const whole =
          isText(tool?.name) && [tool.accepts, tool.run].every((part) => typeof part === "function")
        if (!whole) throw new Error("its default export has no name, accepts and run")
        return tool
      } catch (error) {
        throw new Problem(`The tool ${name} cannot be used: ${error.message}. Correct or remove it.`)
      }
    })
  )
}

/** The answer of the first tool of the user's own that accepts the question, if one does.
 * @param {string} query @param {(event: object) => void} emit @param {{ iterations: number, toolCalls: object[] }} progress */
async function answerOfOwn(query, emit, progress) {
  for (const { accepts, name: tool, run: use } of await ownTools()) {
    const args = accepts(query)
    if (args === undefined) continue
    const call = { tool, toolCallId: "call_1" }
    const start = performance.now()
    progress.iterations += 1
    progress.toolCalls.push({ tool, args })
    emit({ type: "thinking", message: `This is a question for ${tool}.` })
    emit({ type: "tool_start", tool, args, toolCallId: call.toolCallId })
    try {
      // oxlint-disable-next-line no-await-in-loop -- only the first that accepts is used
      const answerText = await use(args)
      emit({ type: "tool_end", ...call, result: String(answerText), duration: sinceMs(start) })
      return String(answerText)
    } catch (error) {
      emit({ type: "tool_error", ...call, error: error.message })
      throw new Problem(`The tool ${tool} failed: ${error.message}`)
    }
  }
  return undefined
}

/** Drives the work on a request, printing its events, up to the fields of its result.
 * @param {ReturnType<typeof checkRequest>} request @param {AbortSignal} signal @param {{ iterations: number, toolCalls: object[] }} progress */
async function run({ id, query, session, newSession, maxIterations }, signal, progress) {
  const emit = (event) => print({ type: "event", id, event })
  const notice = (message) => message !== undefined && emit({ type: "notice", message })
  const stepMs = Number(process.env.SAMPLE_AGENT_STEP_MS)
  if (session !== undefined && newSession) rmSync(sessionFile(session), { force: true })
  const own = await answerOfOwn(query, emit, progress)
  if (own !== undefined) return { outcome: own.trim() === "" ? "empty" : "ok", answer: own }
  const data = loadData()
  const history = session === undefined ? { turns: [] } : loadSession(session, data)
  notice(history.notice)
  const steps = work(query, data, history.turns[history.turns.length - 1])
  let step = steps.next()
  while (!step.done) {
    // Also without a pause this lets signals and the time limit through.
    // oxlint-disable-next-line no-await-in-loop -- one step after the other
    await sleep(stepMs > 0 ? Math.min(stepMs, 60_000) : 0, undefined, { signal })
    const { thinking, tool, args } = step.value
    if (thinking !== undefined) {
      if (progress.iterations === maxIterations) {
        const error = `Reached maximum iterations (${maxIterations}) before the answer. Ask for less at once or raise "maxIterations".`
        return { outcome: "max_iterations", answer: "", error }
      }
      progress.iterations += 1
      emit({ type: "thinking", message: thinking })
      step = steps.next()
      continue
    }
    progress.toolCalls.push({ tool, args })
    const call = { tool, toolCallId: `call_${progress.toolCalls.length}` }
    const start = performance.now()
    emit({ type: "tool_start", tool, args, toolCallId: call.toolCallId })
    try {
      if (args.years?.length > 1)
        emit({
          type: "tool_progress",
          message: `Reading ${args.years.length} fiscal years of ${args.ticker}`,
          toolCallId: call.toolCallId
        })
      const result = TOOLS.get(tool)(args, data)
      emit({ type: "tool_end", ...call, result: JSON.stringify(result), duration: sinceMs(start) })
      step = steps.next(result)
    } catch (error) {
      emit({ type: "tool_error", ...call, error: error.message })
      throw error
    }
  }
  const { answer: text, resolved } = step.value
  if (session !== undefined && resolved !== undefined) {
    notice(saveSession(session, [...history.turns, { query: query.slice(0, 2000), answer: text, resolved }]))
  }
  return { outcome: "ok", answer: text }
}

/** Reads, checks and runs the request, and prints its one result. @param {string[]} args @returns {Promise<number>} the exit code */
async function handle(args) {
  const started = performance.now()
  const stop = new AbortController()
  const { signal } = stop
  for (const name of ["SIGTERM", "SIGINT"])
    process.on(name, () => stop.abort(new Problem(`Stopped by ${name}.`)))
  print({ type: "ready", protocol: 1, agent: "sample", version: VERSION })
  const progress = { iterations: 0, toolCalls: [] }
  let id = "unknown"
  let request
  let timer
  let ended
  try {
    if (args.length !== 2 || args[0] !== "--request") {
      throw new Problem('Expected the arguments "--request <file>" or "--health". See --help.')
    }
    const parsed = await readRequest(args[1], signal)
    if (typeof parsed?.id === "string") ({ id } = parsed)
    request = checkRequest(parsed)
    ;({ id } = request)
    print({ type: "start", id })
    const { timeoutMs } = request
    if (timeoutMs !== undefined)
      timer = setTimeout(
        () => stop.abort(new Problem(`Stopped after the time limit of ${timeoutMs} ms.`)),
        timeoutMs
      )
    ended = await run(request, signal, progress)
  } catch (error) {
    if (!(error instanceof Problem) && !signal.aborted) process.stderr.write(`${error.stack}\n`)
    const message =
      error instanceof Problem ? error.message : `Unexpected failure: ${error.message}. Please report it.`
    ended = signal.aborted
      ? { outcome: "aborted", answer: "", error: signal.reason.message }
      : { outcome: "error", answer: "", error: message }
  }
  clearTimeout(timer)
  const [inputTokens, outputTokens] = [wordCount(request?.query ?? ""), wordCount(ended.answer)]
  const usage = { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens }
  const ok = ended.outcome === "ok"
  const where = request?.session === undefined ? {} : { sessionId: request.session }
  print({ type: "result", id, ...ended, ok, ...progress, usage, totalMs: sinceMs(started), ...where })
  return ok ? 0 : 1
}

/** @returns {number} the exit code */
function health() {
  const about = { agent: "sample", version: VERSION, node: process.versions.node }
  try {
    print({ type: "health", ok: true, ...about, companies: loadData().length })
    return 0
  } catch (error) {
    print({ type: "health", ok: false, ...about, companies: 0, error: error.message })
    return 1
  }
}

async function main(args) {
  process.stdout.on("error", () => process.exit(1))
  if (args[0] === "--help") process.stdout.write(`${HELP}\n`)
  else process.exitCode = args[0] === "--health" ? health() : await handle(args)
}

const isProgram = () => {
  try {
    return realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url))
  } catch {
    return false
  }
}
if (isProgram()) await main(process.argv.slice(2))
