import { NodeServices } from "@effect/platform-node"
import type { Agent } from "@remote-agent/domain"
import { Agent as AgentSchema } from "@remote-agent/domain"
import { Orchestrator, type StateStore } from "@remote-agent/orchestrator"
import { assert } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import * as App from "../../src/app/App.ts"
import * as Settings from "../../src/app/Settings.ts"
import * as State from "../../src/app/State.ts"
import { CommandHost } from "../../src/process/CommandHost.ts"
import { Screen, silent } from "../../src/ui/Screen.ts"
import * as Redaction from "../../src/process/redaction.ts"
import { bin, folder, run, withoutCache } from "./support.ts"

/** The data folder of the binary, whose home is this folder. */
const dataOf = (cwd: string) => join(cwd, ".local", "share", "remote-agent")

/** The process of a command, whose home is this folder, and its settings. */
const world = (cwd: string) => Layer.provideMerge(Settings.layer, processOf(cwd))

const processOf = (cwd: string) =>
  Layer.mergeAll(
    NodeServices.layer,
    Layer.succeed(Redaction.Redaction, Redaction.make()),
    Layer.succeed(Screen, { out: silent, err: silent, note: silent }),
    Layer.succeed(CommandHost, {
      env: { PATH: process.env["PATH"], HOME: cwd, TMPDIR: cwd, ...withoutCache },
      cwd,
      dataFolder: dataOf(cwd),
      interactive: false,
      log: () => undefined,
      command: [process.execPath, bin],
      leftovers: () => undefined
    })
  )

/** Runs an effect with the services of the binary, whose home is this folder. */
const durably = <A, E>(cwd: string, effect: Effect.Effect<A, E, App.Durable>) =>
  Effect.orDie(Effect.provide(effect, Layer.provide(App.durable({}), world(cwd))))

/** Runs an effect with the state of the binary, whose home is this folder. */
export const recorded = <A, E>(cwd: string, effect: Effect.Effect<A, E, StateStore.StateStore>) =>
  Effect.orDie(Effect.provide(effect, Layer.provide(State.layer({}), world(cwd))))

/** Launches an agent that outlives the launch. */
export const launch = (cwd: string, name: string): Effect.Effect<Agent.Agent> =>
  durably(
    cwd,
    Effect.flatMap(Orchestrator.Orchestrator, ({ agents }) =>
      Effect.map(agents.launch({ name: AgentSchema.AgentName.make(name) }), ({ record }) => record)
    )
  )

/** A home for one test. Afterwards its server is stopped, and no folder of a sandbox may be left. */
export const home = Effect.acquireRelease(folder, (cwd) =>
  Effect.gen(function* () {
    yield* run(cwd, ["local", "stop", "--yes"])
    const left = yield* Effect.promise(() => readdir(join(dataOf(cwd), "sandboxes")).catch(() => []))
    assert.deepStrictEqual(left, [], "no folder of a sandbox should be left")
  })
)
