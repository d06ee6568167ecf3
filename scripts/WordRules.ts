/** The words that documentation, help, messages and comments do not use. The glossary is in `docs/concepts.md`. */

interface Rule {
  readonly refused: RegExp
  /** The word or phrase to use instead. */
  readonly use: string
}

const verb = (stems: string, object: string) =>
  new RegExp(
    String.raw`\b(?:${stems})(?:s|es|ed|ing)? (?:(?:an?|the|all|its|their|this|that|your|some|every|each|other) )*${object}\b`,
    "i"
  )

const passive = (subject: string, participles: string) =>
  new RegExp(
    String.raw`\b${subject} (?:is|are|was|were|has been|that was|that were) (?:${participles})\b`,
    "i"
  )

/** One name per concept. */
const synonyms: ReadonlyArray<Rule> = [
  { refused: /\blifetimes?\b|\blife\b(?! cycle)/i, use: "ttl" },
  { refused: /\b(?:to live|lives|lived)\b/i, use: "runs, or: has a ttl" },
  { refused: /\b(?:asleep|sleeps?|sleeping|slept)\b/i, use: "paused" },
  { refused: /\bstamp(?:s|ed|ing)?\b/i, use: "label, labelled" },
  { refused: /\bmask(?:s|ed|ing)?\b|\bstr(?:uck|ikes?|iking) out\b/i, use: "redact, redacted" },
  { refused: /\bset-ups?\b/i, use: "setup" },
  { refused: /\bfurnish/i, use: "set up" },
  { refused: /\btakes? (?:the|its|a) turn\b/i, use: "acquires the lock" },
  { refused: verb("ends?|end|kill|stop|stopp|cancel|cancell", "agents?"), use: "terminate an agent" },
  { refused: passive("agents?", "ended|killed|stopped|cancelled"), use: "an agent is terminated" },
  { refused: verb("end|kill|stop|stopp|cancel|cancell", "sandbox(?:es)?"), use: "terminate a sandbox" },
  { refused: passive("sandbox(?:es)?", "ended|killed|stopped"), use: "a sandbox is terminated" },
  { refused: verb("kill|stop|stopp|terminat|terminate", "quer(?:y|ies)"), use: "cancel a query" },
  { refused: passive("quer(?:y|ies)", "killed|stopped|terminated"), use: "a query is cancelled" },
  { refused: verb("end|terminat|terminate|cancel", "process(?:es)?"), use: "kill a process" },
  { refused: verb("end|kill|terminat|terminate|cancel", "(?:local )?servers?"), use: "stop a server" },
  {
    refused:
      /\bput(?:s|ting)? (?:an?|the|one|many|its|more)? ?(?:question|quer)\w*|\b(?:questions?|quer(?:y|ies)) (?:that (?:is|are|was|were) )?put to\b/i,
    use: "query an agent, or: send a query"
  }
]

/** The style of section "Rules" in `AGENTS.md`: a noun, a verb, the standard term. */
const phrases: ReadonlyArray<Rule> = [
  { refused: /\bwho(?:m|so)?ever\b/i, use: "a noun: the caller, the process, the user" },
  { refused: /\b(?:some|no)body\b/i, use: "a noun: another process, no process, the user" },
  { refused: /\bwhatever\b/i, use: "a noun, or: any, in every case" },
  { refused: /(?:^|[.:;|>-]\s+)(?:What|Who|Whose)\b(?![^.?!|]*\?)/, use: "a noun: the sandboxes that …" },
  { refused: /^\s*\|? ?what\b/i, use: "a noun: the sandboxes that …" },
  {
    refused: /\b(?:of|from|to|than|with|by|for|as|on|in|at|like|into) (?:what|who|whom)\b/i,
    use: "a noun: the files that …"
  },
  {
    refused: /\b(?:delete|end|sum up|fix|terminate) what\b/i,
    use: "a noun: the sandboxes that …"
  },
  {
    refused: /\bwhat (?:is|are|was|were|has|have|had) (?:left|there|done|gone)\b/i,
    use: "a noun: the existing agents, the remaining sandboxes"
  },
  { refused: /\bwakes? nothing\b/i, use: "does not wake it" },
  { refused: /\b(?:told|tells?) apart\b/i, use: "identifies" },
  { refused: /\bstands? back\b/i, use: "is dimmed, or: is optional" },
  { refused: /\bstands? against each other\b/i, use: "conflict" },
  { refused: /\bgo(?:es|ne)? apart\b|\bwent apart\b/i, use: "diverge, are independent" },
  { refused: /\banew\b/i, use: "again" },
  { refused: /\b(?:go|goes|went|gone|going) on\b/i, use: "continue" },
  { refused: /\b(?:tells?|told)\b(?! whether)/i, use: "print, report, list" },
  { refused: /\b(?:is|are|was|were|be|been) said\b|\bsays? (?:of|so of)\b/i, use: "is set, is reported" },
  { refused: /\bbr(?:ings?|ought)\b[^.|]{0,40}\bup to date\b/i, use: "update" },
  { refused: /\bshow[sn]? (?:it|him|them)self\b/i, use: "renewed its lease" },
  { refused: /\bfrom all sides\b/i, use: "check" },
  { refused: /\b(?:is|are) (?:not )?well\b/i, use: "healthy" },
  { refused: /\bsay --/i, use: "pass" },
  { refused: /\bof (?:ours|yours)\b/i, use: "your, or: of Remote Agent" },
  { refused: /\bas things are\b/i, use: "with this configuration" },
  { refused: /\btaken for (?:dead|gone)\b/i, use: "considered dead" },
  { refused: /\bthe other way round\b/i, use: "and the reverse" },
  {
    refused: /\b(?:not|never|cannot|nothing|no)\b[^.,;:|()]{0,40}\b(?:nothing|none)\b/i,
    use: "a positive statement"
  }
]

/** Former names of modules, services and members. */
const renamed: Readonly<Record<string, string>> = {
  Allowance: "BudgetGuard",
  HeldSandbox: "ManagedSandbox",
  Intents: "LaunchIntents",
  KeptSetUps: "SetupSnapshots",
  LaunchBreaker: "LaunchCircuitBreaker",
  Mask: "Redactor",
  Places: "AgentSandboxes",
  PushUpdates: "UpdateOnPush",
  QueryJobs: "QueryProcess",
  QueryRecords: "QueryStore",
  QueryRuns: "QueryExecution",
  ReaperActs: "ReaperExecutor",
  SetUpCache: "SnapshotIndex",
  Stamp: "SandboxLabels",
  Turns: "AgentLocks",
  lastWords: "drainTimeout"
}

const identifiers: ReadonlyArray<Rule> = Object.entries(renamed).map(([old, use]) => ({
  refused: new RegExp(`(?<=\`[^\`\n]*)\\b${old}\\b(?=[^\`\n]*\`)`),
  use
}))

/** A use of a refused word. */
export interface Finding {
  /** From 1 on. */
  readonly line: number
  readonly found: string
  readonly use: string
}

const blank = (text: string) => text.replaceAll(/[^\n]/g, " ")

/** The text without code and without the targets of links. */
const proseOf = (text: string) =>
  text
    .replaceAll(/^```[^]*?^```/gm, blank)
    .replaceAll(/`[^`\n]*`/g, blank)
    .replaceAll(/\]\([^)\n]*\)/g, blank)
    .replaceAll(/"[^"\n]*"/g, blank)

const search = (text: string, rules: ReadonlyArray<Rule>): ReadonlyArray<Finding> =>
  text.split("\n").flatMap((line, index) =>
    rules.flatMap(({ refused, use }) => {
      const [found] = refused.exec(line) ?? []
      return found === undefined ? [] : [{ line: index + 1, found: found.trim(), use }]
    })
  )

/** The refused words in a text in Markdown. */
export const refusedIn = (text: string): ReadonlyArray<Finding> => [
  ...search(proseOf(text), [...synonyms, ...phrases]),
  ...search(text, identifiers)
]

/** The refused words in the comments of a source file. */
export const refusedInComments = (source: string): ReadonlyArray<Finding> => {
  const comments = source.replaceAll(/\/\*[^]*?\*\/|(?<=^|\s)\/\/[^\n]*|[^\n]/g, (part) => {
    if (part.startsWith("/*")) return part.replaceAll(/^\s*\*(?= |$)/gm, "")
    return part.startsWith("//") ? part : " "
  })
  return refusedIn(comments)
}
