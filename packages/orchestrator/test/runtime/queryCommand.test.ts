import { assert, describe, it } from "@effect/vitest"
import { Id, Profile } from "@remote-agent/domain"
import { CodingProfiles, DexterProfile, QueryCommand, SampleProfile } from "@remote-agent/orchestrator"
import { Duration, Effect, Schema } from "effect"
import { tiny } from "../support/support.ts"

const home = "/home/user"

const request = (
  text: string,
  more: Partial<QueryCommand.Request> = {}
): Effect.Effect<QueryCommand.Request> => Effect.map(Id.nextQueryId, (id) => ({ id, text, ...more }))

const running = (run: Partial<Profile.RunSpec>) =>
  new Profile.Profile({ ...tiny, run: new Profile.RunSpec({ ...tiny.run, ...run }) })

const nasty = "a\n'b' \"c\" $(d) `e` {home} \u2028 🤔\\ --help"

describe("RunCommand.make", () => {
  it.effect("adds the flags of what was chosen for the query, and those of a session last", () =>
    Effect.gen(function* () {
      const plain = QueryCommand.make(CodingProfiles.claudeCode, yield* request(nasty), home)
      assert.strictEqual(plain.argv[0], "/home/user/.agent/bin/claude")
      assert.strictEqual(plain.stdin, nasty)
      assert.notInclude(plain.argv, "--model")
      const chosen = yield* request("?", {
        model: "m1",
        budgetUsd: 0.5,
        maxIterations: 3,
        agentSession: "abc",
        session: "ours"
      })
      const full = QueryCommand.make(CodingProfiles.claudeCode, chosen, home)
      assert.deepStrictEqual(full.argv.slice(plain.argv.length), [
        "--model",
        "m1",
        "--max-budget-usd",
        "0.5",
        "--max-turns",
        "3",
        "--resume",
        "abc"
      ])
      const codex = QueryCommand.make(CodingProfiles.codex, chosen, home)
      assert.deepStrictEqual(codex.argv.slice(-5), ["-m", "m1", "resume", "abc", "-"])
      assert.strictEqual(codex.stdin, "?")
    })
  )

  it.effect("gives a runner all of it in the request, over the fields of the profile", () =>
    Effect.gen(function* () {
      const dexter = yield* DexterProfile.make
      const asked = yield* request(nasty, {
        model: "m1",
        maxIterations: 3,
        session: "s",
        newSession: true,
        budgetUsd: 1
      })
      const { cwd, env, stdin, files } = QueryCommand.make(
        new Profile.Profile({
          ...dexter,
          run: new Profile.RunSpec({ ...dexter.run, request: { query: "not this", denyTools: ["a"] } })
        }),
        asked,
        home
      )
      assert.strictEqual(cwd, "/home/user/.agent")
      assert.deepStrictEqual(env, { DEXTER_HOME: "/home/user/dexter", DEXTER_WORKDIR: "/home/user/work" })
      assert.deepStrictEqual(files, [])
      assert.strictEqual(stdin.indexOf("\n"), stdin.length - 1)
      assert.deepStrictEqual(JSON.parse(stdin), {
        id: asked.id,
        query: nasty,
        denyTools: ["a"],
        model: "m1",
        maxIterations: 3,
        session: "s",
        newSession: true,
        timeoutMs: 855_000
      })
    })
  )

  it.effect("takes the model of the profile when the query names none", () =>
    Effect.gen(function* () {
      const profile = new Profile.Profile({
        ...CodingProfiles.opencode,
        run: new Profile.RunSpec({ ...CodingProfiles.opencode.run, model: "openai/gpt-5.2" })
      })
      const { argv } = QueryCommand.make(profile, yield* request("?"), home)
      assert.deepStrictEqual(argv.slice(-2), ["-m", "openai/gpt-5.2"])
    })
  )

  it.effect("puts the request into a file whose name cannot be chosen by who asks, or as one argument", () =>
    Effect.gen(function* () {
      const asked = yield* request(nasty, { wallTimeout: Duration.minutes(2) })
      const file = QueryCommand.make(
        running({ input: "request-file", argv: ["a", "--request={requestFile}"] }),
        asked,
        home
      )
      const path = `/home/user/.agent/requests/${asked.id}.json`
      assert.deepStrictEqual(file.argv, ["a", `--request=${path}`])
      assert.strictEqual(file.stdin, "")
      assert.strictEqual(file.files[0]?.path, path)
      assert.strictEqual(JSON.parse(file.files[0]?.content ?? "").query, nasty)
      assert.deepStrictEqual(file.timeouts.wall, Duration.minutes(2))
      const argument = QueryCommand.make(running({ input: "argv" }), asked, home)
      assert.deepStrictEqual(argument.argv.slice(-1), [nasty])
    })
  )

  it.effect.prop(
    "leaves no part of a question in the arguments of any profile of ours",
    [Schema.String],
    ([text]) =>
      Effect.gen(function* () {
        const marked = `<<${text}>>`
        const all = [
          yield* SampleProfile.make,
          yield* DexterProfile.make,
          yield* DexterProfile.makePython,
          CodingProfiles.claudeCode,
          CodingProfiles.codex,
          CodingProfiles.opencode,
          CodingProfiles.custom
        ]
        for (const profile of all) {
          const command = QueryCommand.make(profile, yield* request(marked), home)
          assert.notInclude(JSON.stringify([command.argv, command.env ?? {}, command.cwd]), "<<")
          assert.notInclude(command.argv.join(" "), "{")
          assert.include(command.stdin, "<<")
        }
      })
  )
})
