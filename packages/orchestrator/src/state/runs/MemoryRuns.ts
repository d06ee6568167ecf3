import { type Id, type Run, RunTransition, StateStoreError } from "@remote-agent/domain"
import { Array as Arr, Clock, DateTime, Effect, Option, Result } from "effect"
import { insert, known, step, type Tables } from "../memory/MemoryTables.ts"
import { type ResultRange, type RunFilter, RunStore } from "./RunStore.ts"

interface Entry {
  run: Run.Run
  readonly questions: Array<Run.Question>
  readonly agents: Map<number, Id.AgentId>
  /** The indexes of the results in the order of their arrival. */
  readonly ended: Array<number>
}

const inSlot = ({ questions }: Entry, slot: number) =>
  Option.fromUndefinedOr(questions.find((question) => question.slot === slot))

const write = (entry: Entry, { question, run }: RunTransition.Changed) => {
  entry.run = run
  entry.questions[question.index] = question
  if (question.state === "ended") entry.ended.push(question.index)
}

const isUsed = ({ agents, questions }: Entry) =>
  agents.size > 0 || questions.some(({ slot }) => slot !== undefined)

const isEnded = ({ state }: Run.Question) => state === "ended"

/** The first question that may be started at a time, the one that waits for the longest time first. */
const due = ({ questions }: Entry, now: number) =>
  questions
    .filter(({ notBefore, state }) => state === "waiting" && notBefore <= now)
    .reduce<Run.Question | undefined>(
      (best, one) => (best === undefined || one.notBefore < best.notBefore ? one : best),
      undefined
    )

/** Runs in memory, whose fences are checked by the leases of the same store. */
export const make = ({ checkFence }: Pick<Tables, "checkFence">): RunStore["Service"] => {
  const entries = new Map<Id.RunId, Entry>()

  /** Changes the entry of a run in one step. */
  const onEntry = <A>(
    operation: string,
    id: Id.RunId,
    fence: Parameters<Tables["checkFence"]>[0],
    apply: (entry: Entry, at: DateTime.Utc) => A
  ) =>
    step(operation, (at) =>
      Result.gen(function* () {
        yield* checkFence(fence)
        return apply(yield* known(entries, id), at)
      })
    )

  const all = () => [...entries.values()].toSorted((a, b) => (a.run.id < b.run.id ? -1 : 1))

  return RunStore.of({
    create: (run) =>
      step("createRun", () => insert(entries, run.id, { run, questions: [], agents: new Map(), ended: [] })),
    get: (id) => onEntry("getRun", id, undefined, ({ run }) => run),
    list: ({ before, limit, status }: RunFilter) =>
      Effect.sync(() =>
        all()
          .toReversed()
          .map(({ run }) => run)
          .filter(({ id }) => before === undefined || id < before)
          .filter((run) => status === undefined || status.includes(run.status))
          .slice(0, limit)
      ),
    open: Effect.sync(() =>
      all()
        .filter((entry) => entry.run.status === "running" || isUsed(entry))
        .map(({ run }) => run)
        .toSorted((a, b) => b.priority - a.priority)
    ),
    add: (id, from, texts) =>
      step("addQuestions", () =>
        Result.gen(function* () {
          const entry = yield* known(entries, id)
          const { counts, sealed } = entry.run
          if (counts.total !== from || sealed) {
            return yield* Result.fail(
              new StateStoreError.RevisionConflict({ id, expected: from, actual: counts.total })
            )
          }
          const { questions, run } = RunTransition.add(entry.run, texts)
          entry.questions.push(...questions)
          entry.run = run
          return run
        })
      ),
    change: (id, change) =>
      onEntry("changeRun", id, undefined, (entry) => {
        entry.run = change(entry.run)
        return entry.run
      }),
    claim: (id, slot, fence, attempt) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        onEntry("claimQuestion", id, fence, (entry) => {
          const question = RunTransition.isOpen(entry.run) ? due(entry, now) : undefined
          if (question === undefined) return Option.none<Run.Question>()
          const changed = RunTransition.claim(entry.run, question, slot, attempt)
          write(entry, changed)
          return Option.some(changed.question)
        })
      ),
    start: (id, slot, fence, attempt) =>
      onEntry("startQuestion", id, fence, (entry) => {
        const found = inSlot(entry, slot)
        if (Option.isNone(found) || found.value.state !== "assigned") return Option.none<Run.Question>()
        const changed = RunTransition.start(entry.run, found.value, attempt)
        write(entry, changed)
        return Option.some(changed.question)
      }),
    finish: (id, slot, fence, end) =>
      onEntry("finishQuestion", id, fence, (entry, at) =>
        Option.map(inSlot(entry, slot), (question) => {
          const changed = RunTransition.finish(entry.run, question, end, at)
          write(entry, changed)
          return changed
        })
      ),
    slot: (id, slot) =>
      onEntry("getSlot", id, undefined, (entry) => ({
        slot,
        agentId: Option.fromUndefinedOr(entry.agents.get(slot)),
        question: inSlot(entry, slot)
      })),
    slots: (id) =>
      onEntry("listSlots", id, undefined, ({ agents, questions }) =>
        [...new Set([...agents.keys(), ...questions.flatMap(({ slot }) => slot ?? [])])].toSorted(
          (a, b) => a - b
        )
      ),
    setAgent: (id, slot, fence, agentId) =>
      onEntry("setSlotAgent", id, fence, ({ agents }) => {
        if (Option.isSome(agentId)) agents.set(slot, agentId.value)
        else agents.delete(slot)
      }),
    results: (id, { after, limit, order }: ResultRange) =>
      onEntry("listResults", id, undefined, ({ ended, questions, run }) => {
        if (order === "completion") {
          return ended.slice(after ?? 0, (after ?? 0) + limit).flatMap((index) => questions[index] ?? [])
        }
        const rest = questions.slice((after ?? -1) + 1)
        return (RunTransition.isOver(run) ? rest.filter(isEnded) : Arr.takeWhile(rest, isEnded)).slice(
          0,
          limit
        )
      }),
    questions: (id, from, limit) =>
      onEntry("listQuestions", id, undefined, ({ questions }) => questions.slice(from, from + limit)),
    remove: (id) => Effect.sync(() => void entries.delete(id))
  })
}
