import { Clock, Effect, FileSystem, Path, Redacted } from "effect"
import { createHash, createHmac, createPublicKey, randomUUID, verify } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import { execPath } from "node:process"
import * as GitServer from "./gitServer.ts"

type Json = { readonly [key: string]: unknown } | ReadonlyArray<unknown>

/** A request that was made of the REST API, as it was answered. */
interface RestRequest {
  readonly method: string
  readonly path: string
  readonly token: string | undefined
  readonly status: number
  /** By the clock of the test. */
  readonly at: number
}

/** Something that befalls the next request that it matches, once. */
interface Mishap {
  /** Any request when absent; else such as `POST /repos/acme/app/pulls`. */
  readonly route?: string | undefined
  /** An answer instead of the real one. */
  readonly reply?:
    | {
        readonly status: number
        readonly headers?: Readonly<Record<string, string>> | undefined
        readonly body?: unknown
      }
    | undefined
  /** Cuts the connection before anything is done, or after, in place of the reply. */
  readonly cut?: "before" | "after" | "half" | undefined
  /** Holds the request until the promise is done. */
  readonly hold?: Promise<void> | undefined
}

/** A webhook delivery that was sent. */
interface Delivered {
  readonly id: string
  readonly event: string
  readonly url: string
  readonly body: string
  readonly signature: string | undefined
  readonly status: number
}

interface Pull {
  readonly number: number
  title: string
  body: string | null
  state: "open" | "closed"
  readonly draft: boolean
  readonly head: string
  base: string
  reviewers: Array<string>
  teams: Array<string>
  readonly reviews: Array<string>
}

interface Hook {
  readonly id: number
  active: boolean
  events: ReadonlyArray<string>
  config: Record<string, string>
}

interface Repository {
  readonly name: string
  readonly defaultBranch: string
  readonly private: boolean
  readonly pulls: Map<number, Pull>
  readonly issues: Map<number, { title: string; body: string | null; state: string }>
  readonly labels: Map<number, Array<string>>
  readonly comments: Map<number, Array<string>>
  readonly hooks: Map<number, Hook>
  readonly runs: Map<string, ReadonlyArray<Json>>
  readonly statuses: Map<string, ReadonlyArray<Json>>
  last: number
}

interface App {
  /** PEM. */
  readonly publicKey: string
  readonly installationId: number
}

interface Context {
  readonly repository: Repository
  readonly parts: ReadonlyArray<string>
  readonly query: URLSearchParams
  readonly body: Record<string, unknown>
}

interface Answer {
  readonly status: number
  readonly body?: Json | undefined
  /** A list that is cut into pages. */
  readonly list?: ReadonlyArray<unknown> | undefined
  /** The name of the list inside of an object, as in `check_runs`. */
  readonly within?: { readonly name: string; readonly rest: Record<string, unknown> } | undefined
  readonly scopes?: string | undefined
}

const stamp = "2026-01-02T03:04:05Z"
const ok = (body: Json): Answer => ({ status: 200, body })
const created = (body: Json): Answer => ({ status: 201, body })
const missing: Answer = { status: 404, body: { message: "Not Found" } }
const invalid = (...errors: ReadonlyArray<unknown>): Answer => ({
  status: 422,
  body: { message: "Validation Failed", errors }
})

const text = (value: unknown): string => (typeof value === "string" ? value : "")
const texts = (value: unknown): Array<string> => (Array.isArray(value) ? value.map((one) => text(one)) : [])

const received = async (request: IncomingMessage): Promise<Record<string, unknown>> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  const body = Buffer.concat(chunks).toString()
  return body === "" ? {} : JSON.parse(body)
}

const promised = <A>(effect: Effect.Effect<A>): Promise<A> => Effect.runPromise(effect)

/** What a header of GitHub's says of a body. */
const signature = (body: string | Uint8Array, secret: string): string =>
  `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`

// Runs in the bare repository after a push and tells the server of every ref that moved.
const postReceive = (url: string) => `#!${execPath}
let text = ""
process.stdin.on("data", (chunk) => { text += chunk }).on("end", () => {
  void fetch(${JSON.stringify(url)}, { method: "POST", body: JSON.stringify({ lines: text.trim().split("\\n") }) })
})
`

const hookJson = (hook: Hook) => ({
  ...hook,
  type: "Repository",
  name: "web",
  config: { ...hook.config, ...(hook.config["secret"] === undefined ? {} : { secret: "********" }) }
})

const config = (value: unknown): Record<string, string> =>
  typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, text(one)]))
    : {}

const cutIntoPages = (
  answer: Answer,
  url: URL
): { readonly body: unknown; readonly link: string | undefined } => {
  if (answer.list === undefined) return { body: answer.body, link: undefined }
  const size = Number(url.searchParams.get("per_page") ?? 30)
  const page = Number(url.searchParams.get("page") ?? 1)
  const last = Math.max(1, Math.ceil(answer.list.length / size))
  const at = (number: number, rel: string) => {
    const there = new URL(url)
    there.searchParams.set("page", String(number))
    return `<${there.href}>; rel="${rel}"`
  }
  const links = [
    ...(page > 1 ? [at(page - 1, "prev")] : []),
    ...(page < last ? [at(page + 1, "next"), at(last, "last")] : []),
    ...(page > 1 ? [at(1, "first")] : [])
  ]
  const items = answer.list.slice((page - 1) * size, page * size)
  return {
    body: answer.within === undefined ? items : { ...answer.within.rest, [answer.within.name]: items },
    link: links.length === 0 ? undefined : links.join(", ")
  }
}

/**
 * A GitHub of our own: the REST API over the real bare repositories that git is served from, with tokens, scopes,
 * apps, pages, ETags, limits and mishaps on request, and signed webhook deliveries for real pushes.
 */
export const make = Effect.fnUntraced(function* () {
  const [fs, path, clock] = [yield* FileSystem.FileSystem, yield* Path.Path, yield* Clock.Clock]
  const repositories = new Map<string, Repository>()
  const requests: Array<RestRequest> = []
  const mishaps: Array<Mishap> = []
  const deliveries: Array<Delivered> = []
  const sending = new Set<Promise<unknown>>()
  /** The scopes of classic tokens. */
  const scopes = new Map<string, string>()
  const apps = new Map<number, App>()
  /** When tokens of apps expire, in milliseconds by the clock of the test. */
  const expiries = new Map<string, number>()

  /** `skew`: how far the clock of the server is ahead of the one of the test, in milliseconds. */
  const drift = { skew: 0 }
  const now = () => clock.currentTimeMillisUnsafe() + drift.skew

  const git = (name: string, ...args: ReadonlyArray<string>) =>
    promised(Effect.map(server.git(name, args), (out) => out.trim()))

  const shaOf = async (name: string, branch: string) =>
    await git(name, "for-each-ref", "--format=%(objectname)", `refs/heads/${branch}`)

  const deliver = async (hook: Hook, event: string, body: string, id: string = randomUUID()) => {
    const secret = hook.config["secret"]
    const signed = secret === undefined ? undefined : signature(body, secret)
    const url = hook.config["url"] ?? ""
    const response = await fetch(url, {
      method: "POST",
      body,
      headers: {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": id,
        "x-github-hook-id": String(hook.id),
        ...(signed === undefined ? {} : { "x-hub-signature-256": signed })
      }
    }).catch(() => undefined)
    await response?.arrayBuffer()
    deliveries.push({ id, event, url, body, signature: signed, status: response?.status ?? 0 })
  }

  const send = (hook: Hook, event: string, payload: Json) => {
    const one = deliver(hook, event, JSON.stringify(payload))
    sending.add(one)
    void one.finally(() => sending.delete(one))
  }

  const emit = (repository: Repository, event: string, payload: Record<string, unknown>) => {
    for (const hook of repository.hooks.values()) {
      if (hook.active && (hook.events.includes(event) || hook.events.includes("*"))) {
        send(hook, event, {
          ...payload,
          repository: repositoryJson(repository),
          sender: { login: "octocat" }
        })
      }
    }
  }

  const repositoryJson = (repository: Repository) => {
    const [owner = "", name = ""] = repository.name.split("/")
    return {
      id: 1,
      name,
      full_name: repository.name,
      owner: { login: owner },
      html_url: `https://github.com/${repository.name}`,
      clone_url: `${server.url}/${repository.name}.git`,
      default_branch: repository.defaultBranch,
      private: repository.private,
      archived: false
    }
  }

  const pullJson = async (repository: Repository, pull: Pull) => {
    const [head, base] = [await shaOf(repository.name, pull.head), await shaOf(repository.name, pull.base)]
    return {
      number: pull.number,
      html_url: `https://github.com/${repository.name}/pull/${pull.number}`,
      title: pull.title,
      body: pull.body,
      state: pull.state,
      draft: pull.draft,
      merged_at: null,
      head: { ref: pull.head, sha: head },
      base: { ref: pull.base, sha: base },
      user: { login: "octocat" },
      labels: (repository.labels.get(pull.number) ?? []).map((name) => ({ name })),
      requested_reviewers: pull.reviewers.map((login) => ({ login })),
      requested_teams: pull.teams.map((slug) => ({ slug }))
    }
  }

  const issueJson = (repository: Repository, number: number) => ({
    number,
    html_url: `https://github.com/${repository.name}/issues/${number}`,
    ...(repository.issues.get(number) ?? { title: "A pull request", body: null, state: "open" }),
    user: { login: "octocat" },
    labels: (repository.labels.get(number) ?? []).map((name) => ({ name })),
    created_at: stamp,
    updated_at: stamp,
    ...(repository.pulls.has(number) ? { pull_request: {} } : {})
  })

  const commitJson = async (name: string, sha: string) => {
    const [author = "", date = "", ...message] = (
      await git(name, "show", "-s", "--format=%an%n%cI%n%B", sha)
    ).split("\n")
    const person = { name: author, date }
    return {
      sha,
      html_url: `https://github.com/${name}/commit/${sha}`,
      commit: { message: message.join("\n").trim(), author: person, committer: person }
    }
  }

  const createPull = async ({ body, repository }: Context): Promise<Answer> => {
    const [head, base] = [text(body["head"]), text(body["base"])]
    const [headSha, baseSha] = [await shaOf(repository.name, head), await shaOf(repository.name, base)]
    if (headSha === "") return invalid({ resource: "PullRequest", field: "head", code: "invalid" })
    if (baseSha === "") return invalid({ resource: "PullRequest", field: "base", code: "invalid" })
    if ((await git(repository.name, "rev-list", "--count", `${baseSha}..${headSha}`)) === "0") {
      return invalid({ code: "custom", message: `No commits between ${base} and ${head}` })
    }
    const isThere = [...repository.pulls.values()].some(
      (one) => one.state === "open" && one.head === head && one.base === base
    )
    if (isThere) {
      const owner = repository.name.split("/")[0]
      return invalid({ code: "custom", message: `A pull request already exists for ${owner}:${head}.` })
    }
    const pull: Pull = {
      number: ++repository.last,
      title: text(body["title"]),
      body: typeof body["body"] === "string" ? body["body"] : null,
      state: "open",
      draft: body["draft"] === true,
      head,
      base,
      reviewers: [],
      teams: [],
      reviews: []
    }
    repository.pulls.set(pull.number, pull)
    const json = await pullJson(repository, pull)
    emit(repository, "pull_request", { action: "opened", number: pull.number, pull_request: json })
    return created(json)
  }

  const listPulls = async ({ query, repository }: Context): Promise<Answer> => {
    const owner = repository.name.split("/")[0]
    const [state, head, base] = [query.get("state") ?? "open", query.get("head"), query.get("base")]
    const found = [...repository.pulls.values()]
      .filter((one) => state === "all" || one.state === state)
      .filter((one) => head === null || head === `${owner}:${one.head}`)
      .filter((one) => base === null || base === one.base)
      .toReversed()
    return { status: 200, list: await Promise.all(found.map((one) => pullJson(repository, one))) }
  }

  const pullRoutes = async (context: Context, method: string): Promise<Answer> => {
    const { body, parts, repository } = context
    const pull = repository.pulls.get(Number(parts[1]))
    if (pull === undefined) return missing
    if (parts[2] === "reviews")
      return { status: 200, list: pull.reviews.map((login) => ({ user: { login } })) }
    if (parts[2] === "requested_reviewers") {
      const people = texts(body["reviewers"])
      if (people.includes("octocat")) {
        return { status: 422, body: { message: "Review cannot be requested from pull request author." } }
      }
      pull.reviewers = [...new Set([...pull.reviewers, ...people])]
      pull.teams = [...new Set([...pull.teams, ...texts(body["team_reviewers"])])]
      return created(await pullJson(repository, pull))
    }
    if (method === "PATCH") {
      if (typeof body["title"] === "string") pull.title = body["title"]
      if (typeof body["body"] === "string") pull.body = body["body"]
      if (typeof body["base"] === "string") pull.base = body["base"]
    }
    return ok(await pullJson(repository, pull))
  }

  const issueRoutes = ({ body, parts, query, repository }: Context, method: string): Answer => {
    if (parts.length === 1 && method === "GET") {
      const [state, labels] = [query.get("state") ?? "open", query.get("labels")?.split(",") ?? []]
      const numbers = [...repository.issues.keys(), ...repository.pulls.keys()].toSorted((a, b) => b - a)
      return {
        status: 200,
        list: numbers
          .map((number) => issueJson(repository, number))
          .filter((one) => state === "all" || one.state === state)
          .filter((one) => labels.every((label) => one.labels.some(({ name }) => name === label)))
      }
    }
    if (parts.length === 1) {
      if (text(body["title"]) === "") {
        return invalid({ resource: "Issue", field: "title", code: "missing_field" })
      }
      const number = ++repository.last
      repository.issues.set(number, { title: text(body["title"]), body: text(body["body"]), state: "open" })
      repository.labels.set(number, texts(body["labels"]))
      const issue = issueJson(repository, number)
      emit(repository, "issues", { action: "opened", issue })
      return created(issue)
    }
    const number = Number(parts[1])
    if (!repository.issues.has(number) && !repository.pulls.has(number)) return missing
    if (parts[2] === "labels") {
      const labels = [...new Set([...(repository.labels.get(number) ?? []), ...texts(body["labels"])])]
      repository.labels.set(number, labels)
      return ok(labels.map((name) => ({ name })))
    }
    const comments = repository.comments.get(number) ?? []
    repository.comments.set(number, comments)
    comments.push(text(body["body"]))
    return created({
      id: comments.length,
      html_url: `https://github.com/${repository.name}/issues/${number}#issuecomment-${comments.length}`,
      body: body["body"],
      user: { login: "octocat" }
    })
  }

  const hookRoutes = ({ body, parts, repository }: Context, method: string): Answer => {
    const hook = repository.hooks.get(Number(parts[1]))
    if (parts.length === 1) {
      if (method === "GET") return { status: 200, list: [...repository.hooks.values()].map(hookJson) }
      const settings = config(body["config"])
      if ([...repository.hooks.values()].some((one) => one.config["url"] === settings["url"])) {
        return invalid({
          resource: "Hook",
          code: "custom",
          message: "Hook already exists on this repository"
        })
      }
      const made: Hook = {
        id: ++repository.last,
        active: body["active"] === true,
        events: texts(body["events"]),
        config: settings
      }
      repository.hooks.set(made.id, made)
      send(made, "ping", {
        zen: "Design for failure.",
        hook_id: made.id,
        repository: repositoryJson(repository)
      })
      return created(hookJson(made))
    }
    if (hook === undefined) return missing
    if (method === "DELETE") {
      repository.hooks.delete(hook.id)
      return { status: 204 }
    }
    if (parts[2] === "pings") {
      send(hook, "ping", {
        zen: "Design for failure.",
        hook_id: hook.id,
        repository: repositoryJson(repository)
      })
      return { status: 204 }
    }
    if (parts[2] === "config") {
      hook.config = { ...hook.config, ...config(body) }
      return ok(hook.config)
    }
    if (typeof body["active"] === "boolean") hook.active = body["active"]
    if (body["config"] !== undefined) hook.config = config(body["config"])
    if (body["events"] !== undefined) hook.events = texts(body["events"])
    return ok(hookJson(hook))
  }

  const commitRoutes = async ({ parts, repository }: Context): Promise<Answer> => {
    const ref = parts[1] ?? ""
    const branch = await shaOf(repository.name, ref === "HEAD" ? repository.defaultBranch : ref)
    const sha = branch === "" ? ref : branch
    if (parts[2] === "check-runs") {
      const runs = repository.runs.get(sha) ?? []
      return {
        status: 200,
        list: runs,
        within: { name: "check_runs", rest: { total_count: runs.length } }
      }
    }
    if (parts[2] === "status") {
      return {
        status: 200,
        list: repository.statuses.get(sha) ?? [],
        within: { name: "statuses", rest: { sha, state: "pending" } }
      }
    }
    return ok(await commitJson(repository.name, sha))
  }

  const deleteRef = async ({ parts, repository }: Context): Promise<Answer> => {
    const branch = (parts[2] ?? "").replace(/^heads\//, "")
    if (branch === repository.defaultBranch) return invalid("Cannot delete the default branch")
    if ((await shaOf(repository.name, branch)) === "") {
      return { status: 422, body: { message: "Reference does not exist" } }
    }
    await git(repository.name, "update-ref", "-d", `refs/heads/${branch}`)
    return { status: 204 }
  }

  const routes = async (context: Context, method: string): Promise<Answer> => {
    const { parts, repository } = context
    switch (parts[0]) {
      case undefined:
        return ok(repositoryJson(repository))
      case "branches": {
        const sha = await shaOf(repository.name, parts[1] ?? "")
        return sha === "" ? missing : ok({ name: parts[1], commit: await commitJson(repository.name, sha) })
      }
      case "commits":
        return await commitRoutes(context)
      case "pulls":
        if (parts.length > 1) return await pullRoutes(context, method)
        return method === "GET" ? await listPulls(context) : await createPull(context)
      case "issues":
        return issueRoutes(context, method)
      case "hooks":
        return { scopes: "admin:repo_hook", ...hookRoutes(context, method) }
      case "git":
        return await deleteRef(context)
      default:
        return missing
    }
  }

  const installation = (id: number, token: string): Answer => {
    const [head = "", payload = "", signed = ""] = token.split(".")
    const claims = JSON.parse(Buffer.from(payload === "" ? "e30" : payload, "base64url").toString())
    const app = apps.get(Number(claims.iss))
    const bad: Answer = { status: 401, body: { message: "A JSON web token could not be decoded" } }
    if (app === undefined) return bad
    const isSigned = verify(
      "RSA-SHA256",
      Buffer.from(`${head}.${payload}`),
      createPublicKey(app.publicKey),
      Buffer.from(signed, "base64url")
    )
    const seconds = now() / 1000
    if (!isSigned || claims.iat > seconds || claims.exp < seconds || claims.exp > seconds + 600) return bad
    if (app.installationId !== id) return missing
    const made = `ghs_fake${randomUUID().replaceAll("-", "")}`
    const expiresAt = now() + 3_600_000
    server.tokens.set(made, {})
    expiries.set(made, expiresAt)
    return created({ token: made, expires_at: new Date(expiresAt).toISOString(), permissions: {} })
  }

  const pushed = async (name: string, lines: ReadonlyArray<string>) => {
    const repository = repositories.get(name)
    if (repository === undefined) return
    const events = lines.map(async (line) => {
      const [before = "", after = "", ref = ""] = line.split(" ")
      const isDeleted = /^0+$/.test(after)
      const head = isDeleted ? null : { id: after, message: (await commitJson(name, after)).commit.message }
      return {
        ref,
        before,
        after,
        created: /^0+$/.test(before),
        deleted: isDeleted,
        forced: false,
        head_commit: head,
        commits: head === null ? [] : [head]
      }
    })
    for (const event of await Promise.all(events)) emit(repository, "push", event)
  }

  const answerOf = async (
    method: string,
    url: URL,
    token: string | undefined,
    body: Record<string, unknown>
  ): Promise<Answer> => {
    const parts = url.pathname.split("/").slice(1).map(decodeURIComponent)
    if (parts[0] === "app") return installation(Number(parts[2]), token ?? "")
    if (token !== undefined && (!server.tokens.has(token) || (expiries.get(token) ?? Infinity) <= now())) {
      return { status: 401, body: { message: "Bad credentials" } }
    }
    const [, owner = "", name = "", ...rest] = parts
    const repository = repositories.get(`${owner}/${name}`)
    const access = token === undefined ? undefined : server.tokens.get(token)
    const isHidden =
      access === undefined ? repository?.private : access.repositories?.includes(`${owner}/${name}`) === false
    if (repository === undefined || isHidden === true) return missing
    const granted = token === undefined ? undefined : scopes.get(token)
    const isHook = rest[0] === "hooks"
    if (isHook && granted !== undefined && !granted.includes("admin:repo_hook")) {
      return { ...missing, scopes: "admin:repo_hook" }
    }
    if (method !== "GET" && (access === undefined || access.write === false)) {
      return {
        status: access === undefined ? 401 : 403,
        body: { message: "Resource not accessible by personal access token" }
      }
    }
    return await routes({ repository, parts: rest, query: url.searchParams, body }, method)
  }

  const other = async (request: IncomingMessage, response: ServerResponse) => {
    response.setHeader("date", new Date(now()).toUTCString())
    const url = new URL(request.url ?? "/", server.url)
    const method = request.method ?? "GET"
    const token = request.headers.authorization?.split(" ")[1]
    const body = await received(request)
    if (url.pathname.startsWith("/_pushed/")) {
      await pushed(url.pathname.slice("/_pushed/".length), texts(body["lines"]))
      response.end()
      return
    }
    const route = `${method} ${url.pathname}`
    const at = now()
    const index = mishaps.findIndex((one) => one.route === undefined || one.route === route)
    const mishap = index < 0 ? undefined : mishaps.splice(index, 1)[0]
    const log = (status: number) =>
      requests.push({ method, path: `${url.pathname}${url.search}`, token, status, at })
    await mishap?.hold
    if (mishap?.cut === "before") {
      log(0)
      response.socket?.resetAndDestroy()
      return
    }
    if (mishap?.reply !== undefined) {
      log(mishap.reply.status)
      response.writeHead(mishap.reply.status, { "content-type": "application/json", ...mishap.reply.headers })
      response.end(
        typeof mishap.reply.body === "string" ? mishap.reply.body : JSON.stringify(mishap.reply.body ?? {})
      )
      return
    }
    const answer = await answerOf(method, url, token, body)
    if (mishap?.cut === "after") {
      log(0)
      response.socket?.resetAndDestroy()
      return
    }
    const { body: content, link } = cutIntoPages(answer, url)
    const sent = content === undefined ? "" : JSON.stringify(content)
    const etag = `"${createHash("sha1").update(sent).digest("hex")}"`
    const granted = token === undefined ? undefined : scopes.get(token)
    const headers = {
      "content-type": "application/json; charset=utf-8",
      etag,
      ...(link === undefined ? {} : { link }),
      ...(granted === undefined
        ? {}
        : { "x-oauth-scopes": granted, "x-accepted-oauth-scopes": answer.scopes ?? "" }),
      ...(answer.status === 403
        ? { "x-accepted-github-permissions": "pull_requests=write; issues=write" }
        : {})
    }
    const isKnown = method === "GET" && answer.status === 200 && request.headers["if-none-match"] === etag
    const status = isKnown ? 304 : answer.status
    log(status)
    response.writeHead(status, headers)
    if (mishap?.cut === "half") {
      response.write(sent.slice(0, sent.length / 2), () => response.socket?.destroy())
      return
    }
    response.end(status === 304 ? "" : sent)
  }

  const server = yield* GitServer.make({ other })
  yield* Effect.addFinalizer(() => Effect.promise(() => Promise.allSettled(sending)))

  const repositoryOf = (name: string): Repository => {
    const repository = repositories.get(name)
    if (repository === undefined) throw new Error(`there is no ${name}`)
    return repository
  }

  return {
    /** Where the API and git are. */
    url: server.url,
    /** May do everything. */
    token: server.token,
    /** What each token may do. */
    tokens: server.tokens,
    scopes,
    apps,
    expiries,
    /** What was asked of the REST API, oldest first. */
    requests,
    drift,
    /** Add to it what should go wrong. */
    mishaps,
    /** What was sent to webhooks, oldest first. */
    deliveries,
    commit: server.commit,
    git: server.git,
    repository: repositoryOf,
    /** When all deliveries so far have been answered. */
    settled: Effect.promise(() => Promise.allSettled(sending)),
    /** Sends a delivery again, under the same id. */
    redeliver: (name: string, id: string) =>
      Effect.promise(async () => {
        const before = deliveries.find((one) => one.id === id)
        const hook = [...repositoryOf(name).hooks.values()].find((one) => one.config["url"] === before?.url)
        if (before !== undefined && hook !== undefined) await deliver(hook, before.event, before.body, id)
      }),
    createRepository: Effect.fnUntraced(function* (name: string, options: GitServer.RepositoryOptions = {}) {
      const folder = yield* server.createRepository(name, options)
      const hook = path.join(folder, "hooks", "post-receive")
      yield* Effect.orDie(
        fs.writeFileString(hook, postReceive(`${server.url}/_pushed/${name}`), { mode: 0o755 })
      )
      repositories.set(name, {
        name,
        defaultBranch: options.defaultBranch ?? "main",
        private: options.private ?? true,
        pulls: new Map(),
        issues: new Map(),
        labels: new Map(),
        comments: new Map(),
        hooks: new Map(),
        runs: new Map(),
        statuses: new Map(),
        last: 0
      })
    }),
    /** The text of the token that may do everything. */
    secret: Redacted.value(server.token)
  }
})

/** A running fake. */
export type FakeGitHub = Effect.Success<ReturnType<typeof make>>
