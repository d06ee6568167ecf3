import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import * as HostProcess from "../../src/host/HostProcess.ts"
import * as Launch from "../../src/isolation/launch.ts"
import { isVariableName, launcher, quote, variablesProblem } from "../../src/isolation/shell.ts"

const env = { PATH: "/usr/bin:/bin" }
const limits = { openFiles: 256, fileBytes: 1024 * 1024 }
const Carriable = Schema.String.pipe(
  Schema.check(Schema.makeFilter((text: string) => !text.includes("\0") && text.isWellFormed()))
)

const launch = (argv: readonly [string, ...Array<string>], variables: Readonly<Record<string, string>>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const process = yield* HostProcess.scoped({ command: "sh", args: ["-c", launcher], env, control: true })
      const pid = yield* Launch.launch(process, {
        argv,
        env: { ...env, ...variables },
        cwd: "/",
        limits
      })
      const [stdout] = yield* Effect.all([HostProcess.collect(process.stdout, 1 << 20), process.exited], {
        concurrency: 2
      })
      return { pid, stdout: stdout.toString(), own: process.pid }
    })
  )

describe("quote", () => {
  it.effect.prop(
    "makes one word that a shell reads back unchanged",
    [Schema.Array(Carriable)],
    ([words]) =>
      Effect.gen(function* () {
        const { stdout } = yield* HostProcess.run({
          command: "sh",
          args: ["-c", `printf '%s\\0' ${words.map(quote).join(" ")} end`],
          env
        })
        assert.deepStrictEqual(stdout.toString().split("\0").slice(0, -2), words)
      }),
    { arbitrary: { runs: 25 } }
  )
})

describe("launchScript", () => {
  it.live("passes arguments and environment unchanged and returns the pid of the program", () =>
    Effect.gen(function* () {
      const awkward = "a'b\"c$d`e\\f\n\n é \u{1F600} -n * ~ #"
      const { own, pid, stdout } = yield* launch(
        ["sh", "-c", 'printf "%s|%s|%s" "$1" "$V" "$$"', "sh", awkward],
        {
          V: `${awkward}\n`
        }
      )
      assert.strictEqual(stdout, `${awkward}|${awkward}\n|${pid}`)
      assert.strictEqual(pid, own)
    })
  )

  it.live("gives a program the variables that a shell cannot export", () =>
    Effect.gen(function* () {
      const { stdout } = yield* launch(["sh", "-c", "tr '\\0' '\\n' < /proc/self/environ"], {
        "a.b": "dot",
        "A-B": "x y",
        "1é": "é"
      })
      for (const line of ["a.b=dot", "A-B=x y", "1é=é"]) assert.include(stdout.split("\n"), line)
    })
  )

  it.live("gives a program the variables that shells keep for themselves", () =>
    Effect.gen(function* () {
      const { stdout } = yield* launch(["env"], {
        UID: "u",
        EUID: "e",
        PPID: "p",
        OPTIND: "o",
        SHELLOPTS: "s"
      })
      for (const line of ["UID=u", "EUID=e", "PPID=p", "OPTIND=o", "SHELLOPTS=s"]) {
        assert.include(stdout.split("\n"), line)
      }
    })
  )

  it.live("names a program that does not exist", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(launch(["no-such-program-here"], {}))
      assert.strictEqual(error._tag === "CommandError" && error.reason, "NoProgram")
      assert.include(error.message, "no-such-program-here")
    })
  )
})

describe("variables", () => {
  it.effect("are refused when a program could not carry them", () =>
    Effect.sync(() => {
      assert.isTrue(Option.isNone(variablesProblem({ A_1: "x", _b: "", "a.b": "", "1A": "", é: "" })))
      for (const name of ["1A", "A-B", "A B", "é", "A\n"]) assert.isFalse(isVariableName(name))
      for (const name of ["", "A=B", "A\0"]) assert.isTrue(Option.isSome(variablesProblem({ [name]: "x" })))
      assert.isTrue(Option.isSome(variablesProblem({ A: "x\0y" })))
    })
  )
})
