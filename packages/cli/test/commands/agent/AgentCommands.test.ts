import { byDefault, inRest } from "#test/once"
import { assert, describe, it } from "@effect/vitest"
import { Agent, AgentEvent, Query } from "@remote-agent/domain"
import { Duration, Effect, Schedule, Schema, type Scope } from "effect"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { family, finish, folder, lines, type Ran, run, start, survivors } from "../../support/support.ts"
import { key, type NotSeen, open } from "../../support/terminal.ts"

const limit = { timeout: 600_000 }

const dataOf = (cwd: string) => join(cwd, "data")

const Status = Schema.fromJsonString(
  Schema.Struct({ running: Schema.Boolean, pid: Schema.optionalKey(Schema.Int) })
)
const decodeStatus = Schema.decodeSync(Status)

/** The binary with a data folder of its own. */
const binary = (cwd: string) => {
  const env = { REMOTE_AGENT_DATA: dataOf(cwd) }
  return {
    env,
    run: (...args: ReadonlyArray<string>) => run(cwd, args, env),
    /** Runs a command that has to be done, and gives back what it printed. */
    done: Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
      const { code, stderr, stdout } = yield* run(cwd, args, env)
      assert.strictEqual(code, 0, `${args.join(" ")}: ${stderr}`)
      return stdout
    }),
    start: (...args: ReadonlyArray<string>) => start(cwd, args, env),
    open: (...args: ReadonlyArray<string>) => open(cwd, args, env)
  }
}

type Binary = ReturnType<typeof binary>

/** A test with its own data folder. Afterwards the server, its processes and every folder of a sandbox are gone. */
const test = (name: string, body: (bin: Binary) => Effect.Effect<void, NotSeen, Scope.Scope>) =>
  it.live(
    name,
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        const bin = binary(cwd)
        const stop = Effect.gen(function* () {
          const { pid } = decodeStatus((yield* bin.run("local", "status", "--json")).stdout)
          const members = pid === undefined ? [] : yield* Effect.promise(() => family(pid))
          if (pid !== undefined) yield* bin.done("local", "stop", "--yes")
          assert.deepStrictEqual(yield* Effect.promise(() => survivors(members)), [], "a process is left")
          const sandboxes = join(dataOf(cwd), "sandboxes")
          const folders = yield* Effect.promise(() => readdir(sandboxes).catch(() => []))
          assert.deepStrictEqual(folders, [], "no folder should be left")
        })
        yield* Effect.addFinalizer(() => Effect.orDie(stop))
        yield* body(bin)
      }),
    limit
  )

const decodeAgents = Schema.decodeSync(Schema.Array(Schema.fromJsonString(Schema.toCodecJson(Agent.Agent))))
const decodeEvents = Schema.decodeSync(
  Schema.Array(Schema.fromJsonString(Schema.toCodecJson(AgentEvent.EventRecord)))
)
const decodeQuery = Schema.decodeSync(Schema.fromJsonString(Schema.toCodecJson(Query.Query)))
const decodeFailure = Schema.decodeSync(
  Schema.fromJsonString(Schema.Struct({ error: Schema.Struct({ reason: Schema.String }) }))
)

const linesOf = (text: string) => text.split("\n").filter((one) => one !== "")
const reasonOf = ({ stdout }: Ran) => decodeFailure(stdout).error.reason

/** A pause before every step that is longer than any test. */
const forever = ["--env", "SAMPLE_AGENT_STEP_MS=3600000"]

describe("an agent that outlives its commands", () => {
  byDefault(test)("is launched, asked, put to sleep, woken by a query, named, looked at and ended", (bin) =>
    Effect.gen(function* () {
      const launched = yield* bin.run(
        "launch",
        "--name",
        "ann",
        "--label",
        "team=a",
        "--budget-tokens",
        "1000"
      )
      assert.strictEqual(launched.code, 0, launched.stderr)
      const id = launched.stdout.trim()
      assert.match(launched.stdout, /^agt_\w{26}\n$/)
      const stages = linesOf(launched.stderr).filter((one) => /^ +\d+\.\d s {2}/.test(one))
      assert.deepStrictEqual(
        stages.map((one) => one.replace(/^.* s {2}/, "")),
        [
          "recording the agent",
          "recording the launch",
          "creating its sandbox",
          "copying its files",
          "linking it to its sandbox",
          "running its setup",
          "checking that it can work",
          "activating it"
        ]
      )

      const [listed] = decodeAgents(linesOf(yield* bin.done("list", "--json")))
      assert.deepStrictEqual(
        [listed?.id, listed?.name, listed?.status, listed?.labels, listed?.persistent],
        [id, "ann", "active", { team: "a" }, true]
      )
      assert.deepInclude(listed?.budget, { tokens: 1000 })

      const asked = yield* bin.run("query", "ann", "AAPL revenue 2024")
      assert.strictEqual(asked.code, 0, asked.stderr)
      assert.include(asked.stdout, "391,035")
      assert.lengthOf(linesOf(asked.stdout), 1)
      assert.include(asked.stderr, "get_fundamentals")

      const events = decodeEvents(linesOf(yield* bin.done("logs", "ann", "--json", "--from", "1")))
      assert.deepStrictEqual(
        events.map(({ seq }) => seq),
        events.map((_, index) => index + 1)
      )
      assert.strictEqual(events.at(-1)?.event.type, "result")

      assert.match(yield* bin.done("info", "ann"), /^pauses +\d{4}-/m)
      assert.include(yield* bin.done("pause", "ann"), "is paused")
      assert.notMatch(yield* bin.done("info", "ann"), /^pauses/m)
      const asleep = yield* bin.run("query", "ann", "TSLA revenue 2024", "--no-resume", "--json")
      assert.deepStrictEqual([asleep.code, reasonOf(asleep)], [1, "AgentPaused"])
      const woken = yield* bin.done("query", id.slice(0, 12), "TSLA revenue 2024", "--json")
      assert.deepInclude(JSON.parse(woken), { outcome: "ok", agentId: id })

      yield* bin.done("rename", "ann", "bob")
      assert.include(yield* bin.done("label", "bob", "tier=1", "team-"), "is labelled tier=1")
      const info = yield* bin.done("info", "bob", "--json")
      assert.deepInclude(JSON.parse(info), { sandbox: "running", current: null, queue: [] })
      assert.deepInclude(JSON.parse(info).agent, { name: "bob", queryCount: 2, labels: { tier: "1" } })

      const health = yield* bin.done("health", "bob")
      assert.match(health, /bob \(agt_\w+\) is healthy\./)
      assert.match(health, /^ {2}program +ok /m)

      assert.include(yield* bin.done("terminate", "bob"), "is terminated")
      assert.deepStrictEqual(
        { ...(yield* bin.run("list")), stderr: "" },
        { code: 0, signal: null, stdout: "", stderr: "" }
      )
      const gone = yield* bin.run("query", "bob", "TSLA revenue 2024", "--json")
      assert.deepStrictEqual([gone.code, reasonOf(gone)], [3, "AgentNotReady"])
      assert.include(gone.stderr, "is terminated, which does not allow this.\n  Launch another.\n")
      const unwell = yield* bin.run("health", "bob", "--json")
      assert.strictEqual(unwell.code, 0, "an agent that was ended has no sandbox, and needs none")
    })
  )

  inRest(test)("is forked into a second one, which goes on with what was said to the first", (bin) =>
    Effect.gen(function* () {
      yield* bin.done("launch", "--name", "first", "--label", "team=a", "--quiet")
      const session = ["--session", "s"]
      yield* bin.done("query", "first", "What was Tesla's revenue in 2024?", ...session)
      const forked = yield* bin.run("fork", "first", "--name", "second", "--label", "tier=1")
      assert.strictEqual(forked.code, 0, forked.stderr)
      assert.match(forked.stdout, /^agt_\w{26}\n$/)
      assert.include(forked.stderr, "second is active, with the conversations of first.")
      const listed = decodeAgents(linesOf(yield* bin.done("list", "--json")))
      assert.deepStrictEqual(
        listed.map(({ labels, name }) => `${name} ${JSON.stringify(labels)}`),
        ['first {"team":"a"}', 'second {"team":"a","tier":"1"}']
      )
      assert.include(yield* bin.done("query", "second", "and the year before?", ...session), "96,773")
      yield* bin.done("query", "first", "What was Apple's revenue in 2022?", ...session)
      assert.include(yield* bin.done("query", "second", "and the year before?", ...session), "2022")

      yield* bin.done("terminate", "first")
      const gone = yield* bin.run("fork", "first", "--json")
      assert.deepStrictEqual([gone.code, reasonOf(gone)], [3, "AgentNotReady"])
      const badName = yield* bin.run("fork", "second", "--name", "a b")
      assert.strictEqual(badName.code, 2, badName.stderr)
      yield* bin.done("terminate", "second")
    })
  )

  byDefault(test)("answers when nobody waits, is followed from another process, and is cancelled", (bin) =>
    Effect.gen(function* () {
      yield* bin.done("launch", "--name", "quick", "--quiet")
      const first = (yield* bin.done("query", "quick", "AAPL revenue 2024", "--detach")).trim()
      assert.match(first, /^qry_\w{26}$/)
      const followed = yield* bin.run("logs", "--follow", first)
      assert.strictEqual(followed.code, 0, followed.stderr)
      assert.include(followed.stdout, "391,035")

      yield* bin.done("launch", "--name", "slow", ...forever)
      const { id, status } = decodeQuery(
        yield* bin.done("query", "slow", "TSLA revenue 2024", "--detach", "--json")
      )
      assert.strictEqual(status, "running")
      const follower = bin.start("logs", "--follow", "--json", id)
      const ended = finish(follower)
      yield* Effect.promise(() => lines(follower, 1))

      const busy = yield* bin.run("pause", "slow", "--json")
      assert.strictEqual(busy.code, 1)
      assert.include(busy.stdout, `"reason":"QueryRunning"`)
      const both = yield* bin.run("pause", "slow", "--wait", "--cancel")
      assert.strictEqual(both.code, 2)

      assert.include(yield* bin.done("cancel", "slow"), `${id} has ended: aborted`)
      const { code, stdout } = yield* Effect.promise(() => ended)
      assert.strictEqual(code, 1, "a query without an answer")
      assert.deepInclude(decodeEvents(linesOf(stdout)).at(-1)?.event, { type: "result", outcome: "aborted" })
      assert.include(yield* bin.done("cancel", id), "has already ended: aborted")
      assert.strictEqual((yield* bin.run("logs", "--follow", "slow")).code, 1)

      const refused = yield* bin.run("terminate", "slow", "quick")
      assert.strictEqual(refused.code, 2)
      assert.include(refused.stderr, "--yes")
      const unknown = yield* bin.run("terminate", "slow", "nobody", "quick", "--yes", "--json")
      assert.strictEqual(unknown.code, 3)
      assert.include(unknown.stderr, "nobody: There is no agent nobody.")
      assert.deepStrictEqual(
        linesOf(unknown.stdout).map((one) => JSON.parse(one).error.reason),
        ["NotFound"],
        "one name that does not resolve leaves every agent alone"
      )
      const all = yield* bin.run("terminate", "slow", "quick", "slow", "--yes", "--json")
      assert.strictEqual(all.code, 0, all.stderr)
      assert.deepStrictEqual(
        linesOf(all.stdout).map((one) => JSON.parse(one).status),
        ["terminated", "terminated"]
      )
    })
  )

  byDefault(test)("is launched, stopped in a query and ended on a terminal", (bin) =>
    Effect.gen(function* () {
      const launch = yield* bin.open("launch", "--name", "ann", ...forever)
      yield* launch.sees("\u001B[2K")
      yield* launch.sees("ann is active.")
      assert.strictEqual(yield* launch.ended, 0)
      assert.notMatch(launch.shown(), /creating its sandbox\r?\n/, "the stages are drawn anew, on one line")

      const query = yield* bin.open("query", "ann", "AAPL revenue 2024")
      yield* query.sees("is ready")
      query.type(key.ctrlC)
      yield* query.sees("--detach")
      assert.strictEqual(yield* query.ended, 130)
      const events = decodeEvents(linesOf(yield* bin.done("logs", "ann", "--json")))
      assert.deepInclude(events.at(-1)?.event, { type: "result", outcome: "aborted" })

      const no = yield* bin.open("terminate", "--all")
      yield* no.sees("Terminate 1 agent")
      no.type("n")
      assert.strictEqual(yield* no.ended, 130)
      const yes = yield* bin.open("terminate", "--all")
      yield* yes.sees("Terminate 1 agent")
      yes.type("y")
      yield* yes.sees("is terminated")
      assert.strictEqual(yield* yes.ended, 0)
    })
  )

  inRest(test)("keeps to the limits and conversations that it is given", (bin) =>
    Effect.gen(function* () {
      const limits = ["--ephemeral", "--ttl", "120", "--budget-usd", "1.5", "--budget-seconds", "60"]
      yield* bin.done("launch", "--name", "ann", "--label", "team=a", "--quiet", ...limits)
      const listed = yield* bin.done("list", "--label", "team=a", "--profile", "sample", "--json")
      const [ann] = decodeAgents(linesOf(listed))
      assert(ann !== undefined)
      assert.deepStrictEqual([ann.name, ann.persistent], ["ann", false])
      assert.deepStrictEqual([ann.ttl && Duration.toSeconds(ann.ttl), ann.budget?.costUsd], [120, 1.5])
      assert.strictEqual(ann.budget?.wall && Duration.toSeconds(ann.budget.wall), 60)
      assert.strictEqual(yield* bin.done("list", "--pool", "night", "--json"), "")

      const ask = (...args: ReadonlyArray<string>) => bin.run("query", "ann", "--session", "s", ...args)
      assert.strictEqual((yield* ask("Apple revenue 2024")).code, 0)
      assert.include((yield* ask("and in 2023?")).stdout, "383,285")
      const anew = yield* ask("and in 2023?", "--new-session")
      assert.strictEqual(anew.code, 1, "there is no earlier question")

      assert.deepInclude(JSON.parse(yield* bin.done("rename", "ann", "bob", "--json")), { name: "bob" })
      const labelled = JSON.parse(yield* bin.done("label", "bob", "tier=1", "--json"))
      assert.deepInclude(labelled, { labels: { team: "a", tier: "1" } })
      yield* bin.done("terminate", "bob")
      assert.strictEqual(yield* bin.done("list", "--json"), "")
      assert.lengthOf(decodeAgents(linesOf(yield* bin.done("list", "--status", "terminated", "--json"))), 1)
      assert.lengthOf(decodeAgents(linesOf(yield* bin.done("list", "--all", "--json"))), 1)
      assert.include(yield* bin.done("profiles"), "sample")
      assert.deepInclude(JSON.parse(yield* bin.done("profiles", "show", "sample")), { name: "sample" })
    })
  )

  byDefault(test)("has its query end when the time of its budget is up, though nobody watches", (bin) =>
    Effect.gen(function* () {
      yield* bin.done("launch", "--name", "brief", "--budget-seconds", "2", ...forever)
      const { pid } = decodeStatus(yield* bin.done("local", "status", "--json"))
      const members = Effect.promise(() => family(pid ?? 0))
      const before = new Set((yield* members).map((one) => one.pid))
      const id = (yield* bin.done("query", "brief", "TSLA revenue 2024", "--detach")).trim()
      const alive = Effect.map(members, (all) =>
        all.filter((one) => !before.has(one.pid) && one.state !== "Z")
      )
      const left = yield* Effect.repeat(alive, {
        until: (all) => all.length === 0,
        schedule: Schedule.spaced("100 millis").pipe(Schedule.upTo({ times: 600 }))
      })
      assert.deepStrictEqual(left, [], "its program should have ended by itself")

      const found = yield* bin.run("logs", "--follow", id, "--json")
      const last = decodeEvents(linesOf(found.stdout)).at(-1)?.event
      assert(last?.type === "result", found.stdout)
      assert.deepStrictEqual([found.code, last.outcome, last.limit], [1, "aborted", "budget"])
      assert.include(last.error, "The budget of the agent is used up")
    })
  )

  inRest(test)(
    "is stopped where its time is up, and all are put to sleep, woken, looked at and updated at once",
    (bin) =>
      Effect.gen(function* () {
        yield* bin.done("launch", "--name", "slow", "--quiet", ...forever)
        yield* bin.done("launch", "--name", "quick", "--quiet")
        const late = yield* bin.run("query", "slow", "TSLA revenue 2024", "--timeout", "1", "--json")
        assert.strictEqual(late.code, 4, late.stderr)
        const limited = ["--budget-seconds", "1", "--budget-usd", "0.5", "--budget-tokens", "9", "--json"]
        const dear = yield* bin.run("query", "slow", "TSLA revenue 2024", ...limited)
        assert.deepStrictEqual([dear.code, reasonOf(dear)], [1, "BudgetExceeded"])

        assert.strictEqual((yield* bin.run("pause", "--all", "--cancel")).code, 2, "somebody has to agree")
        const all = (text: string) => linesOf(text).map((one): { readonly status: string } => JSON.parse(one))
        const statuses = (text: string) => all(text).map(({ status }) => status)
        const asleep = yield* bin.done("pause", "--all", "--yes", "--json")
        assert.deepStrictEqual(statuses(asleep), ["paused", "paused"])
        assert.deepStrictEqual(statuses(yield* bin.done("resume", "--all", "--json")), ["active", "active"])
        assert.lengthOf(linesOf(yield* bin.done("health", "--all", "--json")), 2)

        const query = yield* bin.done("query", "slow", "TSLA revenue 2024", "--detach")
        const busy = yield* bin.run("update", "--all", "--json")
        assert.strictEqual(busy.code, 5)
        assert.include(busy.stdout, `"reason":"QueryRunning"`)
        const updated = yield* bin.done("update", "--all", "--yes", "--cancel", "--json")
        assert.lengthOf(all(updated), 2)
        assert.include(yield* bin.done("cancel", query.trim(), "--json"), `"outcome":"aborted"`)
        assert.lengthOf(all(yield* bin.done("update", "quick", "--wait", "--json")), 1)
        yield* bin.done("terminate", "--all", "--yes")
      })
  )
})
