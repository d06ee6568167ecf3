import { Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { agent } from "../agent/AgentCommands.ts"
import { durable, json, lazily, optional, question, timeout } from "../shared/flags.ts"

const repo = optional(
  Flag.String("repo").pipe(
    Flag.withDescription("The repository, owner/name (default: GITHUB_REPO_OWNER and GITHUB_REPO_NAME)")
  )
)

const words = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.atLeast(0))

const labels = words("label", "A label to add (repeatable)")

const base = optional(
  Flag.String("base").pipe(
    Flag.withDescription("The branch to propose it for (default: the one the agent tracks, or the default)")
  )
)

const draft = Flag.Boolean("draft").pipe(
  Flag.withDescription("Open a new one as a draft"),
  Flag.withDefault(false)
)

const onLine = Schema.String.check(Schema.isPattern(/\S/, { message: "text that is not empty" }))

const loadGit = () => import("./AgentGit.ts")

const prCreate = Command.make(
  "create",
  {
    agent,
    title: Flag.String("title").pipe(
      Flag.withSchema(onLine),
      Flag.withDescription("The title, which is also the message of the commit")
    ),
    body: optional(Flag.String("body").pipe(Flag.withDescription("The text"))),
    bodyFile: optional(Flag.String("body-file").pipe(Flag.withDescription("A file with the text"))),
    base,
    branch: optional(
      Flag.String("branch").pipe(
        Flag.withDescription("The branch to push (default: the agent's own, or a new one)")
      )
    ),
    draft,
    label: labels,
    reviewer: words("reviewer", "Who is asked for a review (repeatable)"),
    ...durable,
    json
  },
  lazily("pr create", loadGit, (module, flags) => module.prCreate(flags))
).pipe(
  Command.withDescription(
    "Commit what an agent changed, push its branch, and open a pull request or update the open one"
  ),
  Command.withExamples([
    {
      command: 'remote-agent pr create coder --title "Fix the parser" --body-file notes.md',
      description: "Print the address"
    }
  ])
)

/** `pr`. */
export const pr = Command.make("pr").pipe(
  Command.withDescription("Pull requests of what agents changed"),
  Command.withSubcommands([prCreate])
)

/** `publish`. */
export const publish = Command.make(
  "publish",
  {
    agent,
    question: question.pipe(Argument.withDescription("The question, in quotes")),
    repo,
    base,
    draft,
    label: labels,
    timeout,
    ...durable,
    json
  },
  lazily("publish", loadGit, (module, flags) => module.publish(flags))
).pipe(
  Command.withDescription("Ask an agent, and open a pull request with the answer as a dated report"),
  Command.withExamples([
    {
      command: 'remote-agent publish analyst "Compare Apple and Microsoft" --repo acme/research',
      description: "Print the address"
    }
  ])
)

/** `branch`. */
export const branch = Command.make(
  "branch",
  {
    agent,
    name: Argument.String("name").pipe(Argument.withDescription("The name of the branch")),
    from: optional(
      Flag.String("from").pipe(Flag.withDescription("Where it starts (default: where the agent is)"))
    ),
    ...durable,
    json
  },
  lazily("branch", loadGit, (module, flags) => module.branch(flags))
).pipe(Command.withDescription("Make a branch in the repository of an agent, and check it out"))

/** `commit`. */
export const commit = Command.make(
  "commit",
  {
    agent,
    message: optional(Flag.String("message").pipe(Flag.withAlias("m"), Flag.withDescription("The message"))),
    messageFile: optional(Flag.String("message-file").pipe(Flag.withDescription("A file with the message"))),
    ...durable,
    json
  },
  lazily("commit", loadGit, (module, flags) => module.commit(flags))
).pipe(Command.withDescription("Commit what an agent changed in its repository"))

/** `push`. */
export const push = Command.make(
  "push",
  {
    agent,
    branch: optional(
      Flag.String("branch").pipe(Flag.withDescription("The branch (default: the one that is checked out)"))
    ),
    ...durable,
    json
  },
  lazily("push", loadGit, (module, flags) => module.push(flags))
).pipe(Command.withDescription("Push a branch of the repository of an agent"))

/** `pull`. */
export const pull = Command.make(
  "pull",
  { agent, ...durable, json },
  lazily("pull", loadGit, (module, flags) => module.pull(flags))
).pipe(Command.withDescription("Bring the repository of an agent to the newest commit of its branch"))

const loadIssues = () => import("./issue.ts")

const issueCreate = Command.make(
  "create",
  {
    title: Flag.String("title").pipe(Flag.withSchema(onLine), Flag.withDescription("The title")),
    body: optional(Flag.String("body").pipe(Flag.withDescription("The text"))),
    bodyFile: optional(Flag.String("body-file").pipe(Flag.withDescription("A file with the text"))),
    label: labels,
    assignee: words("assignee", "Who is to see to it (repeatable)"),
    repo,
    json
  },
  lazily("issue create", loadIssues, (module, flags) => module.create(flags))
).pipe(Command.withDescription("Open an issue, and print its address"))

const issueList = Command.make(
  "list",
  {
    state: Flag.Literals("state", ["open", "closed", "all"]).pipe(
      Flag.withDescription("Which (default: open)"),
      Flag.withDefault("open")
    ),
    label: words("label", "Only those that have this label (repeatable)"),
    limit: Flag.Int("limit").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isGreaterThan(0))),
      Flag.withDescription("How many, newest first"),
      Flag.withDefault(30)
    ),
    repo,
    json
  },
  lazily("issue list", loadIssues, (module, flags) => module.list(flags))
).pipe(Command.withDescription("List the issues of a repository; with --json one document per line"))

/** `issue`. */
export const issue = Command.make("issue").pipe(
  Command.withDescription("Issues of a repository"),
  Command.withSubcommands([issueCreate, issueList])
)

const loadHooks = () => import("./webhook/Webhooks.ts")

const hookId = Argument.Int("id").pipe(
  Argument.withDescription("The id of the webhook, as `webhook list` says")
)

const webhookCreate = Command.make(
  "create",
  {
    url: Argument.String("url").pipe(Argument.withDescription("Where GitHub is to send deliveries")),
    event: words("event", "An event to be told of (default: push and pull_request; repeatable)"),
    repo,
    json
  },
  lazily("webhook create", loadHooks, (module, flags) => module.create(flags))
).pipe(
  Command.withDescription(
    "Make a webhook, or update the one of that address; its secret is GITHUB_WEBHOOK_SECRET, or a new one that is printed"
  )
)

const webhookList = Command.make(
  "list",
  { repo, json },
  lazily("webhook list", loadHooks, (module, flags) => module.list(flags))
).pipe(Command.withDescription("List the webhooks of a repository; with --json one document per line"))

const webhookDelete = Command.make(
  "delete",
  { id: hookId, repo, json },
  lazily("webhook delete", loadHooks, (module, flags) => module.remove(flags))
).pipe(Command.withDescription("Delete a webhook; succeeds when it is gone already"))

const webhookPing = Command.make(
  "ping",
  { id: hookId, repo, json },
  lazily("webhook ping", loadHooks, (module, flags) => module.ping(flags))
).pipe(Command.withDescription("Have GitHub send a ping to a webhook"))

const Port = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))
const Drain = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3600 }))

const webhookServe = Command.make(
  "serve",
  {
    port: Flag.Int("port").pipe(
      Flag.withSchema(Port),
      Flag.withDescription("The port; 0 for a free one"),
      Flag.withDefault(8787)
    ),
    host: Flag.String("host").pipe(
      Flag.withDescription("The address to listen at"),
      Flag.withDefault("127.0.0.1")
    ),
    drain: Flag.Int("drain").pipe(
      Flag.withSchema(Drain),
      Flag.withDescription("How many seconds what was accepted may take after Ctrl-C"),
      Flag.withDefault(30)
    ),
    ...durable,
    json
  },
  lazily(
    "webhook serve",
    () => import("./webhook/serve.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription(
    "Receive webhooks until Ctrl-C: a push to the branch that agents track brings them up to date"
  ),
  Command.withExamples([
    { command: "remote-agent webhook serve --port 8787", description: "Needs GITHUB_WEBHOOK_SECRET" }
  ])
)

/** `webhook`. */
export const webhook = Command.make("webhook").pipe(
  Command.withDescription("Webhooks of a repository, and a receiver for them"),
  Command.withSubcommands([webhookServe, webhookCreate, webhookList, webhookPing, webhookDelete])
)
