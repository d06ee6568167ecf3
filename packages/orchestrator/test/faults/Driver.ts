import { Agent, Id, AgentLifecycle, OrchestratorError } from "@remote-agent/domain"
import { Deferred, Effect, Exit, Fiber, Random, Stream } from "effect"
import { type Process, owner, stamped, stampOf, type World } from "./World.ts"

/** Something that a process was asked to do. */
interface Work {
  readonly what: string
  readonly process: Process
  readonly fiber: Fiber.Fiber<Exit.Exit<unknown, OrchestratorError.OrchestratorError>>
  /** Whether somebody stopped it, so that its failure means nothing. */
  stopped: boolean
  /** Whether it only waits to be told to end. */
  readonly ready: () => boolean
}

/** An agent that lives for as long as a scope of its process is open. */
interface Holding {
  readonly process: Process
  readonly agentId: Id.AgentId
  readonly close: Deferred.Deferred<void>
}

/** How long a thing must be left alone, and how long it is certain to be over. */
const graces = { grace: "10 minutes", createDeadline: "2 minutes" } as const

const settled = "15 minutes"

/** The name of agents that belong to no scope. */
const ours = "ours-"

/** What is wrong with the world at the end: nothing, if the promise holds. */
export interface Wrongs {
  /** Sandboxes of the owner that no living agent is bound to. */
  readonly unknown: ReadonlyArray<string>
  /** Agents that are said to live, or to be about to, without a sandbox. */
  readonly bereft: ReadonlyArray<string>
  /** Intents that nobody closed. */
  readonly intents: ReadonlyArray<string>
  /** Sandboxes of others that are gone. */
  readonly robbed: ReadonlyArray<string>
  /** Live work that the cleaning destroyed, or that nobody kept alive. */
  readonly destroyed: ReadonlyArray<string>
}

export const nothing: Wrongs = { unknown: [], bereft: [], intents: [], robbed: [], destroyed: [] }

const oneOf = <A>(all: ReadonlyArray<A>) =>
  Effect.map(Random.nextIntBetween(0, Math.max(0, all.length - 1)), (index) => all[index])

/** What may be drawn, and what is left out. */
export interface Options {
  readonly steps: number
  /** Whether a query keeps the sandbox of an agent alive that belongs to no scope. */
  readonly covers?: boolean | undefined
  /** Nobody ever reaps: what one that does is held against. */
  readonly withoutReaper?: boolean | undefined
}

/** Some steps of several processes of which some die, and then a fresh one that recovers. Says what is wrong then. */
export const run = Effect.fnUntraced(function* (world: World, options: Options) {
  const { intents, makeProcess, pass, store, truth } = world
  const processes = [yield* makeProcess, yield* makeProcess]
  const works: Array<Work> = []
  const holdings: Array<Holding> = []
  // Agents whose sandbox somebody ended, paused or let expire on purpose.
  const excused = new Set<Id.AgentId>()
  // Agents of ours that became active once: whatever happens to them later, their work is not to be given up.
  const launched = new Set<Id.AgentId>()
  const destroyed: Array<string> = []
  const told: Array<string> = []
  const stranger = yield* Id.nextAgentId
  const theirs = [(yield* stamped(truth, stampOf("other", stranger))).id, (yield* stamped(truth, {})).id]

  const agents = Effect.orDie(Stream.runCollect(store.listAgents()))
  const active = Effect.map(agents, (all) => all.filter(({ status }) => status === "active"))
  const anyProfile = Effect.map(Random.nextIntBetween(0, 3), (n) => (n === 0 ? "slow" : "quick"))

  const begin = Effect.fnUntraced(function* <A>(
    what: string,
    process: Process,
    effect: Effect.Effect<A, OrchestratorError.OrchestratorError>,
    ready = () => false
  ) {
    const fiber = yield* Effect.forkDetach(Effect.exit(effect))
    works.push({ what, process, fiber, ready, stopped: false })
  })
  const some = (
    what: string,
    use: (process: Process, profile: string) => Effect.Effect<unknown, OrchestratorError.OrchestratorError>
  ) =>
    Effect.gen(function* () {
      const process = yield* oneOf(processes)
      if (process !== undefined) yield* begin(what, process, use(process, yield* anyProfile))
    })

  let names = 0
  const launch = some("launch", ({ orchestrator }, profile) =>
    Effect.flatMap(Random.nextIntBetween(5, 90), (minutes) => {
      const name = Agent.AgentName.make(`${ours}${names++}`)
      return Effect.tap(orchestrator.launch({ name, ttl: `${minutes} minutes`, profile }), ({ id }) =>
        Effect.sync(() => launched.add(id))
      )
    })
  )
  const hold = Effect.gen(function* () {
    const [process, name] = [yield* oneOf(processes), yield* anyProfile]
    if (process === undefined) return
    let ready = false
    const held = Effect.gen(function* () {
      const close = yield* Deferred.make<void>()
      const { id: agentId } = yield* process.orchestrator.launchScoped({ profile: name })
      const lost = Effect.sync(() => {
        if (!excused.has(agentId)) destroyed.push(`the query of ${agentId}, which a scope holds`)
      })
      const holding = { process, agentId, close }
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          holdings.push(holding)
          ready = true
        }),
        () =>
          Effect.sync(() => {
            holdings.splice(holdings.indexOf(holding), 1)
            ready = false
          })
      )
      yield* process.orchestrator.query(agentId, "what").pipe(
        Effect.tapError(({ reason }) => (isWithout(reason) && !process.isDead() ? lost : Effect.void)),
        Effect.ignore
      )
      yield* Deferred.await(close)
    })
    yield* begin("hold", process, Effect.scoped(held), () => ready)
  })
  const release = Effect.gen(function* () {
    const holding = yield* oneOf(holdings)
    if (holding !== undefined) yield* Deferred.succeed(holding.close, undefined)
  })
  const ask = some("ask", ({ orchestrator }, profile) => orchestrator.ask("what", { profile }))
  const pool = some("pool", ({ orchestrator }, profile) =>
    Effect.scoped(
      Effect.flatMap(orchestrator.pool({ size: 2, profile }), (made) =>
        Stream.runDrain(made.query(["one", "two", "three"]))
      )
    )
  )
  /** Whether that is the end of an agent that somebody worked with, and nobody wanted it. */
  const isRobbed = (agentId: Id.AgentId, process: Process, reason: OrchestratorError.Reason) =>
    options.covers === true && isWithout(reason) && !excused.has(agentId) && !process.isDead()

  /** Does something with an agent that belongs to no scope: the others end with theirs, whoever works with them. */
  const withOurs = (
    what: string,
    statuses: ReadonlyArray<Agent.Agent["status"]>,
    use: (
      process: Process,
      id: Id.AgentId
    ) => Effect.Effect<Effect.Effect<unknown, OrchestratorError.OrchestratorError>>
  ) =>
    Effect.gen(function* () {
      const mine = (yield* agents).filter(
        ({ name, status }) => name.startsWith(ours) && statuses.includes(status)
      )
      const [agent, process] = [yield* oneOf(mine), yield* oneOf(processes)]
      if (agent === undefined || process === undefined) return
      yield* begin(what, process, yield* use(process, agent.id))
    })

  const query = withOurs("query", ["active"], (process, id) =>
    Effect.sync(() => {
      let running = false
      return process.orchestrator.stream(id, "what").pipe(
        Stream.runForEach(({ event }) => Effect.sync(() => (running ||= event.type !== "result"))),
        Effect.tapError(({ reason }) =>
          Effect.sync(() => {
            if (running && isRobbed(id, process, reason)) destroyed.push(`the query of ${id}`)
          })
        )
      )
    })
  )
  const whenRunning = Effect.map(
    oneOf(["refuse", "wait", "cancel"] as const),
    (chosen) => chosen ?? ("refuse" as const)
  )
  const pause = withOurs("pause", ["active"], ({ orchestrator }, id) =>
    Effect.map(whenRunning, (chosen) => orchestrator.pause(id, { whenRunning: chosen }))
  )
  const resume = withOurs("resume", ["paused"], ({ orchestrator }, id) =>
    Effect.succeed(orchestrator.resume(id))
  )
  const update = withOurs("update", ["active", "paused"], ({ orchestrator }, id) =>
    Effect.map(whenRunning, (chosen) => orchestrator.update(id, { whenRunning: chosen }))
  )
  const alone = withOurs("alone", ["active", "paused"], (process, id) =>
    Effect.map(Effect.all([whenRunning, Random.nextIntBetween(1, 60)]), ([chosen, minutes]) => {
      let working = false
      return process.orchestrator
        .withExclusiveAccess(
          "work",
          id,
          ({ sandbox }) =>
            Effect.andThen(
              Effect.sync(() => (working = true)),
              Effect.delay(sandbox.files.stat("."), `${minutes} minutes`)
            ),
          { whenRunning: chosen }
        )
        .pipe(
          Effect.catchTag("SandboxError", (cause) =>
            Effect.fail(
              new OrchestratorError.OrchestratorError({
                operation: "work",
                reason: new OrchestratorError.SandboxFailed({ cause })
              })
            )
          ),
          Effect.tapError(({ reason }) =>
            Effect.sync(() => {
              if (working && isRobbed(id, process, reason)) destroyed.push(`the work in ${id}`)
            })
          )
        )
    })
  )
  const crash = Effect.gen(function* () {
    const process = yield* oneOf(processes)
    if (process === undefined) return
    yield* process.die
    for (const { agentId, process: whose } of holdings) if (whose === process) excused.add(agentId)
    processes.splice(processes.indexOf(process), 1, yield* makeProcess)
  })
  const interrupt = Effect.gen(function* () {
    const work = yield* oneOf(works.filter(({ fiber, process }) => !process.isDead() && !fiber.pollUnsafe()))
    if (work === undefined) return
    work.stopped = true
    yield* Effect.forkDetach(Fiber.interrupt(work.fiber))
  })
  const terminate = Effect.gen(function* () {
    const [agent, process] = [yield* oneOf(yield* active), yield* oneOf(processes)]
    if (agent === undefined || process === undefined) return
    excused.add(agent.id)
    yield* begin("terminate", process, process.orchestrator.terminate(agent.id))
  })
  const bound = Effect.map(active, (all) =>
    all.flatMap(({ binding, id }) => (binding ? [{ binding, id }] : []))
  )
  const vanish = Effect.gen(function* () {
    const agent = yield* oneOf(yield* bound)
    if (agent === undefined) return
    excused.add(agent.id)
    yield* Effect.ignore(truth.terminate(agent.binding.sandboxId))
  })
  const doze = Effect.gen(function* () {
    const agent = yield* oneOf(yield* bound)
    if (agent === undefined) return
    excused.add(agent.id)
    yield* Effect.ignore(truth.pause(agent.binding.sandboxId))
  })
  const orphan = Effect.flatMap(Id.nextAgentId, (id) => stamped(truth, stampOf(owner, id)))
  const reaping = Effect.gen(function* () {
    const process = yield* oneOf(processes)
    if (process === undefined || options.withoutReaper === true) return
    yield* begin("reap", process, process.reaper.reap(graces))
  })
  const steps: ReadonlyArray<readonly [string, Effect.Effect<unknown>]> = [
    ["launch", launch],
    ["launch", launch],
    ["hold", hold],
    ["hold", hold],
    ["release", release],
    ["ask", ask],
    ["pool", pool],
    ["query", query],
    ["query", query],
    ["pause", pause],
    ["resume", resume],
    ["update", update],
    ["alone", alone],
    ["crash", crash],
    ["interrupt", interrupt],
    ["terminate", terminate],
    ["vanish", vanish],
    ["doze", doze],
    ["orphan", orphan],
    ["reap", reaping],
    ["reap", reaping]
  ]

  for (let step = 0; step < options.steps; step++) {
    const [name, effect] = (yield* oneOf(steps)) ?? ["", Effect.void]
    told.push(name)
    yield* effect
    yield* pass(`${yield* Random.nextIntBetween(0, 300)} seconds`)
  }

  // Nothing goes wrong any more. Whatever lives goes on while reapers pass, and what crashes have left grows old.
  yield* world.calm
  const fresh = yield* makeProcess
  const reap = Effect.gen(function* () {
    if (options.withoutReaper === true) return
    const reaper = yield* Effect.forkDetach(Effect.orDie(fresh.reaper.reap(graces)))
    while (reaper.pollUnsafe() === undefined) yield* pass("10 seconds")
    yield* Fiber.join(reaper)
  })
  const isBusy = () =>
    works.some(({ fiber, ready, process }) => !ready() && !process.isDead() && !fiber.pollUnsafe())
  // What is slow is still at work then.
  yield* pass(settled)
  yield* reap
  while (isBusy()) yield* pass(world.stride)
  yield* pass(settled)
  yield* reap
  for (const { agentId, process } of holdings) {
    if (process.isDead() || excused.has(agentId)) continue
    const { binding, status } = yield* Effect.orDie(store.getAgent(agentId))
    const there = binding !== undefined && Exit.isSuccess(yield* Effect.exit(truth.info(binding.sandboxId)))
    if (status !== "active" || !there) destroyed.push(`${agentId}, which a scope holds, is ${status}`)
  }
  const kept = holdings.filter(({ process }) => !process.isDead())
  yield* Effect.forEach(kept, ({ close }) => Deferred.succeed(close, undefined), { discard: true })
  while (isBusy()) yield* pass(world.stride)
  yield* pass(settled)
  yield* reap
  yield* pass(settled)
  for (const { detail, id, status } of yield* agents) {
    if (launched.has(id) && status === "failed") destroyed.push(`${id}, which was given up: ${detail}`)
  }
  const listed = Effect.orDie(Stream.runCollect(truth.list()))
  let held = yield* listed
  // Until none reaches the end of its life during the pass itself.
  for (let before = -1; before !== held.length; held = yield* listed) {
    before = held.length
    yield* reap
  }
  const known = yield* agents
  const ids = new Set(held.map(({ id }) => id))
  const homes = new Set(
    known.flatMap(({ binding, status }) =>
      binding !== undefined && AgentLifecycle.mayHoldSandbox(status) ? [binding.sandboxId] : []
    )
  )
  const open = yield* Effect.orDie(Stream.runCollect(intents.list))
  for (const { fiber, process, stopped, what } of works) {
    if (process.isDead() || stopped) continue
    const exit = fiber.pollUnsafe()
    if (exit === undefined) destroyed.push(`a ${what} that never ends`)
    else if (Exit.isSuccess(exit) && Exit.isFailure(exit.value) && gaveUp(exit.value)) {
      destroyed.push(`a ${what} that somebody else gave up`)
    }
  }
  const wrongs: Wrongs = {
    unknown: held.flatMap(({ id }) => (homes.has(id) || theirs.includes(id) ? [] : [id])),
    bereft: known.flatMap((agent) => (isBereft(agent, ids) ? [`${agent.id} is ${agent.status}`] : [])),
    intents: open.map(({ attemptId }) => attemptId),
    robbed: theirs.filter((id) => !ids.has(id)),
    destroyed
  }
  return { wrongs, told: told.join(" ") }
})

const isBereft = ({ binding, status }: Agent.Agent, ids: ReadonlySet<Id.SandboxId>): boolean =>
  status === "launching" ||
  ((status === "active" || status === "paused") && (binding === undefined || !ids.has(binding.sandboxId)))

/** Whether a query failed because its sandbox ended or fell asleep. */
const isWithout = (reason: OrchestratorError.Reason): boolean =>
  reason._tag === "AgentLost" ||
  (reason._tag === "SandboxFailed" && ["Gone", "Expired", "Paused"].includes(reason.cause.reason._tag))

/** Whether a launch failed because its record said that it had been given up. */
const gaveUp = (exit: Exit.Failure<unknown, OrchestratorError.OrchestratorError>): boolean =>
  exit.cause.reasons.some(
    (reason) =>
      reason._tag === "Fail" &&
      reason.error.reason._tag === "LaunchFailed" &&
      reason.error.reason.cause._tag === "StateStoreError"
  )
