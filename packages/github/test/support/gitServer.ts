import { Effect, FileSystem, Path, Redacted } from "effect"
import { execFile, spawn } from "node:child_process"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { devNull } from "node:os"
import { env, execPath } from "node:process"
import { promisify } from "node:util"
import { createGunzip } from "node:zlib"

/** How a repository is. */
export interface RepositoryOptions {
  /** Whether nobody reads it without a token. True when absent. */
  readonly private?: boolean | undefined
  /** Branches that refuse every push with the words of GitHub. */
  readonly protectedBranches?: ReadonlyArray<string> | undefined
  /** `main` when absent. */
  readonly defaultBranch?: string | undefined
}

/** What a token may do; everything when a part is absent. */
export interface Access {
  /** The only repositories (`owner/name`) that exist for it. */
  readonly repositories?: ReadonlyArray<string> | undefined
  /** Whether it may push. */
  readonly write?: boolean | undefined
}

/** A request for git as it was answered. */
interface GitRequest {
  readonly method: string
  readonly path: string
  readonly authorized: boolean
  readonly status: number
}

/** A request that arrived, before it is answered. */
interface Arriving {
  readonly method: string
  readonly path: string
  /** `undefined` when the request carries no credentials. */
  readonly token: string | undefined
}

/** Real repositories behind real `git http-backend`, as GitHub serves them. */
export interface GitServer {
  /** `http://127.0.0.1:…`, without a slash at the end. */
  readonly url: string
  /** The folder of the bare repositories. */
  readonly root: string
  /** May do everything. */
  readonly token: Redacted.Redacted
  /** What each token may do; add to it or take from it at any time. */
  readonly tokens: Map<string, Access>
  /** What was answered so far, oldest first. */
  readonly requests: ReadonlyArray<GitRequest>
  /** Makes an empty bare repository `owner/name` and gives its folder. */
  readonly createRepository: (name: string, options?: RepositoryOptions) => Effect.Effect<string>
  /** Runs git in a bare repository, as its administrator, and gives what it prints. */
  readonly git: (
    name: string,
    args: ReadonlyArray<string>,
    stdin?: string | Uint8Array
  ) => Effect.Effect<string>
  /** Adds one commit on top of a branch (made when it is new) and gives its id. A null content removes the file. */
  readonly commit: (
    name: string,
    branch: string,
    files: Readonly<Record<string, string | Uint8Array | null>>,
    message?: string
  ) => Effect.Effect<string>
  /** Is called with every request for git and may hold it; the request goes on when the promise is done. */
  before: ((request: Arriving) => Promise<void>) | undefined
}

/** What answers what is not git, for a server that has more than repositories. */
export type OtherRequests = (
  request: Http.IncomingMessage,
  response: Http.ServerResponse
) => void | Promise<void>

const gitPath = /^\/([^/]+\/[^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/

/** Nothing of the machine's own git configuration. */
const isolated = {
  PATH: env["PATH"] ?? "",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: devNull,
  GIT_CONFIG_COUNT: "1",
  GIT_CONFIG_KEY_0: "safe.directory",
  GIT_CONFIG_VALUE_0: "*",
  GIT_AUTHOR_NAME: "Server",
  GIT_AUTHOR_EMAIL: "server@example.invalid",
  GIT_COMMITTER_NAME: "Server",
  GIT_COMMITTER_EMAIL: "server@example.invalid",
  LC_ALL: "C"
}

// git asks this hook what becomes of a push to the refs that it is told about (`receive.procReceiveRefs`), and
// passes its reason on: the one way to refuse in the very words of GitHub.
const procReceive = `#!${execPath}
const { readSync, writeSync } = require("node:fs")
const take = (n) => { const b = Buffer.alloc(n); for (let at = 0; at < n;) at += readSync(0, b, at, n - at); return b }
const line = () => { const n = parseInt(take(4).toString(), 16); return n < 5 ? "" : take(n - 4).toString() }
const lines = () => { const all = []; for (let l = line(); l !== ""; l = line()) all.push(l); return all }
const say = (text) => writeSync(1, (text.length + 4).toString(16).padStart(4, "0") + text)
lines()
say("version=1\\n")
writeSync(1, "0000")
for (const ref of lines().map((l) => l.trimEnd().split(" ").slice(2).join(" "))) {
  writeSync(2, "error: GH006: Protected branch update failed for " + ref + ".\\n\\n- Changes must be made through a pull request.\\n")
  say("ng " + ref + " protected branch hook declined\\n")
}
writeSync(1, "0000")
`

const run = (args: ReadonlyArray<string>, stdin?: string | Uint8Array): Effect.Effect<string> =>
  Effect.promise(async (signal) => {
    const running = promisify(execFile)("git", args, { env: isolated, signal, maxBuffer: 2 ** 28 })
    // A command that reads no input may be over before it is offered any.
    running.child.stdin?.on("error", () => {})
    running.child.stdin?.end(stdin ?? "")
    return (await running).stdout
  })

const wordsOf: Readonly<Record<number, string>> = {
  401: "Invalid username or token.",
  403: "Write access to repository not granted.",
  404: "Repository not found."
}

const tokenOf = (request: Http.IncomingMessage): string | undefined => {
  const { authorization } = request.headers
  if (authorization === undefined) return undefined
  const [scheme = "", value = ""] = authorization.split(" ")
  if (scheme.toLowerCase() !== "basic") return value
  const decoded = Buffer.from(value, "base64").toString()
  return decoded.slice(decoded.indexOf(":") + 1)
}

const backend = (
  root: string,
  path: string,
  query: string,
  user: string,
  request: Http.IncomingMessage,
  response: Http.ServerResponse
): Promise<void> => {
  const cgi = spawn("git", ["http-backend"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: {
      ...isolated,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      ...(user === "" ? {} : { REMOTE_USER: user }),
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method ?? "",
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? "")
    }
  })
  // What breaks is the connection of a client that went away.
  cgi.stdin.on("error", () => {})
  const body = request.headers["content-encoding"] === "gzip" ? request.pipe(createGunzip()) : request
  body.pipe(cgi.stdin)
  response.on("close", () => {
    if (!response.writableEnded) cgi.kill()
  })
  let head = Buffer.alloc(0)
  cgi.stdout.on("data", (chunk: Buffer) => {
    if (response.headersSent) {
      if (!response.write(chunk)) {
        cgi.stdout.pause()
        response.once("drain", () => cgi.stdout.resume())
      }
      return
    }
    head = Buffer.concat([head, chunk])
    const end = head.indexOf("\r\n\r\n")
    if (end < 0) return
    let status = 200
    for (const line of head.subarray(0, end).toString().split("\r\n")) {
      const [name, value] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]
      if (name.toLowerCase() === "status") status = Number.parseInt(value)
      else response.setHeader(name, value)
    }
    response.writeHead(status)
    response.write(head.subarray(end + 4))
  })
  return new Promise((resolve) => {
    cgi.once("close", () => {
      if (!response.headersSent) response.writeHead(500)
      response.end()
      resolve()
    })
    cgi.once("error", () => resolve())
  })
}

const quoted = (path: string): string =>
  `"${path.replaceAll(/["\\\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`))}"`

const data = (content: string | Uint8Array): string => {
  const bytes = typeof content === "string" ? Buffer.from(content) : content
  return `data ${bytes.length}\n${Buffer.from(bytes).toString("latin1")}\n`
}

/** What `git fast-import` reads to add one commit. */
const commitStream = (
  branch: string,
  parent: string | undefined,
  files: Readonly<Record<string, string | Uint8Array | null>>,
  message: string
): string => {
  const changes = Object.entries(files).map(([path, content]) =>
    content === null
      ? `D ${quoted(path)}\n`
      : `M 100644 inline ${Buffer.from(quoted(path)).toString("latin1")}\n${data(content)}`
  )
  return [
    `commit ${Buffer.from(`refs/heads/${branch}`).toString("latin1")}\n`,
    "committer Server <server@example.invalid> 1700000000 +0000\n",
    data(message),
    ...(parent === undefined ? [] : [`from ${parent}\n`]),
    ...changes
  ].join("")
}

/**
 * A git server on a free port of the loopback that ends, with its repositories, with the scope. `other` answers what
 * is not git: without it, that is 404.
 */
export const make = Effect.fnUntraced(function* (
  options: {
    readonly token?: string | undefined
    readonly other?: OtherRequests | undefined
  } = {}
) {
  const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
  const root = yield* Effect.orDie(fs.makeTempDirectoryScoped({ prefix: "git-server-" }))
  const token = options.token ?? "ghp_fakeTokenOfTheTests"
  const tokens = new Map<string, Access>([[token, {}]])
  const requests: Array<GitRequest> = []
  const repositories = new Map<string, RepositoryOptions>()
  const running = new Set<Promise<void>>()

  /** The status of a refusal, or none. GitHub says 401 of a private repository to whoever shows no token. */
  const refusal = (name: string, shown: string | undefined, writes: boolean): number | undefined => {
    const repository = repositories.get(name)
    if (shown === undefined) return repository?.private === false && !writes ? undefined : 401
    const access = tokens.get(shown)
    if (access === undefined) return 401
    if (repository === undefined) return 404
    if (access.repositories?.includes(name) === false && repository.private !== false) return 404
    return writes && access.write === false ? 403 : undefined
  }

  const answer = async (request: Http.IncomingMessage, response: Http.ServerResponse) => {
    const url = new URL(request.url ?? "/", "http://localhost")
    const matched = gitPath.exec(decodeURIComponent(url.pathname))
    if (matched === null) {
      if (options.other !== undefined) return await options.other(request, response)
      response.writeHead(404).end()
      return
    }
    const [, name = "", action = ""] = matched
    const shown = tokenOf(request)
    const method = request.method ?? ""
    await server.before?.({ method, path: url.pathname, token: shown })
    if (response.destroyed) return
    const writes = action === "git-receive-pack" || url.searchParams.get("service") === "git-receive-pack"
    const refused = refusal(name, shown, writes)
    const done = (status: number) =>
      requests.push({ method, path: url.pathname, authorized: shown !== undefined, status })
    if (refused !== undefined) {
      done(refused)
      response.writeHead(refused, {
        "content-type": "text/plain",
        ...(refused === 401 ? { "www-authenticate": 'Basic realm="GitHub"' } : {})
      })
      response.end(wordsOf[refused] ?? "")
      return
    }
    await backend(
      root,
      `/${name}.git/${action}`,
      url.search.slice(1),
      shown === undefined ? "" : "token",
      request,
      response
    )
    done(response.statusCode)
  }

  const http = Http.createServer((request, response) => {
    const one = answer(request, response).catch(() => void response.socket?.resetAndDestroy())
    running.add(one)
    void one.then(() => running.delete(one))
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      http.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.promise(async () => {
        const closed = new Promise((resolve) => http.close(resolve))
        http.closeAllConnections()
        await closed
        await Promise.all(running)
      })
  )

  const folder = (name: string) => path.join(root, `${name}.git`)
  const git: GitServer["git"] = (name, args, stdin) => run(["-C", folder(name), ...args], stdin)

  const server: GitServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    root,
    token: Redacted.make(token),
    tokens,
    requests,
    before: undefined,
    git,
    createRepository: Effect.fnUntraced(function* (name, repository = {}) {
      const at = folder(name)
      yield* run(["init", "--quiet", "--bare", `--initial-branch=${repository.defaultBranch ?? "main"}`, at])
      yield* git(name, ["config", "http.receivepack", "true"])
      yield* git(name, ["config", "uploadpack.allowAnySHA1InWant", "true"])
      yield* git(name, ["config", "uploadpack.allowFilter", "true"])
      const hook = path.join(at, "hooks", "proc-receive")
      yield* Effect.orDie(fs.makeDirectory(path.dirname(hook), { recursive: true }))
      yield* Effect.orDie(fs.writeFileString(hook, procReceive, { mode: 0o755 }))
      for (const branch of repository.protectedBranches ?? []) {
        yield* git(name, ["config", "--add", "receive.procReceiveRefs", `refs/heads/${branch}`])
      }
      repositories.set(name, { private: true, ...repository })
      return at
    }),
    commit: Effect.fnUntraced(function* (name, branch, files, message = "A commit") {
      const ref = `refs/heads/${branch}`
      const parent = (yield* git(name, ["for-each-ref", "--format=%(objectname)", ref])).trim()
      const stream = commitStream(branch, parent === "" ? undefined : parent, files, message)
      yield* git(name, ["fast-import", "--quiet", "--force"], Buffer.from(stream, "latin1"))
      return (yield* git(name, ["rev-parse", ref])).trim()
    })
  }
  return server
})
