import { Id, type Lease, Run, RunTransition, StateStoreError } from "@remote-agent/domain"
import { Array as Arr, Clock, DateTime, Effect, Option, Schema } from "effect"
import type { SqlError } from "effect/sql"
import { added, type Database, failed, first, Whole } from "../sql/database/SqlDatabase.ts"
import { type ResultRange, type RunFilter, RunStore } from "./RunStore.ts"

const RunText = Schema.fromJsonString(Schema.toCodecJson(Run.Run))
const QuestionText = Schema.fromJsonString(Schema.toCodecJson(Run.Question))

const RunRow = Schema.Struct({ body: RunText })
const QuestionRow = Schema.Struct({ body: QuestionText })
const SlotRow = Schema.Struct({ agent_id: Schema.NullOr(Id.AgentId) })
const NumberRow = Schema.Struct({ slot: Whole })

const encodeRun = (run: Run.Run) => Effect.orDie(Schema.encodeEffect(RunText)(run))
const encodeQuestion = (question: Run.Question) => Effect.orDie(Schema.encodeEffect(QuestionText)(question))

type Failure = SqlError.SqlError | StateStoreError.StateStoreError

/** How many questions one statement inserts. */
const batchSize = 100

/** The runs of a database. See `SqlStateStore.make`. */
export const make = (database: Database): RunStore["Service"] => {
  const { atOnce, fencing, reader, run: failures, sql } = database
  const [runs, questions, slots, numbers] = [
    reader(RunRow),
    reader(QuestionRow),
    reader(SlotRow),
    reader(NumberRow)
  ]
  // SQLite has one writer at a time. Postgres locks the row of the run, so that changes of a run follow each other.
  const locked = sql.onDialectOrElse({ pg: () => sql.literal("FOR UPDATE"), orElse: () => sql.literal("") })

  const read = (operation: string, id: Id.RunId, lock = sql.literal("")) =>
    sql`SELECT body FROM remote_runs WHERE id = ${id} ${lock}`.pipe(
      runs(operation),
      Effect.flatMap(first(operation, id)),
      Effect.map(({ body }) => body)
    )

  const writeRun = Effect.fnUntraced(function* (run: Run.Run) {
    const { id, priority, status } = run
    const row = { status, priority, body: yield* encodeRun(run) }
    yield* sql`UPDATE remote_runs SET ${sql.update(row)} WHERE id = ${id}`
  })

  const rowOf = Effect.fnUntraced(function* (question: Run.Question) {
    const { notBefore: not_before_ms, seq = null, slot = null, state } = question
    return { state, not_before_ms, slot, seq, body: yield* encodeQuestion(question) }
  })

  const writeQuestion = Effect.fnUntraced(function* (id: Id.RunId, question: Run.Question) {
    yield* sql`
      UPDATE remote_run_questions SET ${sql.update(yield* rowOf(question))}
      WHERE run_id = ${id} AND idx = ${question.index}`
  })

  /** Changes a run, and perhaps a question, in one transaction under a fence. */
  const change = <A>(
    operation: string,
    id: Id.RunId,
    fence: Lease.Fence | undefined,
    decide: (run: Run.Run) => Effect.Effect<A, Failure>
  ) => {
    const { before, check } = fencing(operation, fence)
    // The fence first: the order in which all writers lock their rows.
    return Effect.andThen(
      Effect.andThen(before, check),
      Effect.flatMap(read(operation, id, locked), decide)
    ).pipe(atOnce, failures(operation))
  }

  const inSlot = (operation: string, id: Id.RunId, slot: number) =>
    sql`SELECT body FROM remote_run_questions WHERE run_id = ${id} AND slot = ${slot}`.pipe(
      questions(operation),
      Effect.map((rows) => Option.map(Arr.head(rows), ({ body }) => body))
    )

  const write = Effect.fnUntraced(function* (was: Run.Run, { question, run }: RunTransition.Changed) {
    if (run !== was) yield* writeRun(run)
    yield* writeQuestion(run.id, question)
  })

  const create = Effect.fn("RunStore.create")(function* (run: Run.Run) {
    const { id, priority, status } = run
    const row = { id, status, priority, body: yield* encodeRun(run) }
    yield* sql`INSERT INTO remote_runs ${sql.insert(row)} ON CONFLICT (id) DO NOTHING RETURNING id`.pipe(
      Effect.flatMap(added("createRun", id)),
      failures("createRun")
    )
  })

  const list = Effect.fn("RunStore.list")(({ before, limit, status }: RunFilter) => {
    const clauses = [
      sql`1 = 1`,
      ...(status === undefined ? [] : [sql.in("status", status)]),
      ...(before === undefined ? [] : [sql`id < ${before}`])
    ]
    return sql`SELECT body FROM remote_runs WHERE ${sql.and(clauses)} ORDER BY id DESC LIMIT ${limit}`.pipe(
      runs("listRuns"),
      Effect.map((rows) => rows.map(({ body }) => body)),
      failures("listRuns")
    )
  })

  const open = sql`
    SELECT body FROM remote_runs WHERE status = 'running'
      OR id IN (SELECT run_id FROM remote_run_slots WHERE agent_id IS NOT NULL)
      OR id IN (SELECT run_id FROM remote_run_questions WHERE slot IS NOT NULL)
    ORDER BY priority DESC, id`.pipe(
    runs("openRuns"),
    Effect.map((rows) => rows.map(({ body }) => body)),
    failures("openRuns")
  )

  const add = Effect.fn("RunStore.add")((id: Id.RunId, from: number, texts: ReadonlyArray<string>) =>
    change(
      "addQuestions",
      id,
      undefined,
      Effect.fnUntraced(function* (was) {
        const actual = was.counts.total
        if (actual !== from || was.sealed) {
          return yield* failed(
            "addQuestions",
            new StateStoreError.RevisionConflict({ id, expected: from, actual })
          )
        }
        const next = RunTransition.add(was, texts)
        for (const batch of Arr.chunksOf(next.questions, batchSize)) {
          const rows = yield* Effect.forEach(batch, (question) =>
            Effect.map(rowOf(question), (row) => ({ run_id: id, idx: question.index, ...row }))
          )
          yield* sql`INSERT INTO remote_run_questions ${sql.insert(rows)}`
        }
        yield* writeRun(next.run)
        return next.run
      })
    )
  )

  const changeRun = Effect.fn("RunStore.change")((id: Id.RunId, next: (run: Run.Run) => Run.Run) =>
    change("changeRun", id, undefined, (was) => {
      const run = next(was)
      return run === was ? Effect.succeed(was) : Effect.as(writeRun(run), run)
    })
  )

  const claim: RunStore["Service"]["claim"] = Effect.fn("RunStore.claim")((id, slot, fence, attempt) =>
    change(
      "claimQuestion",
      id,
      fence,
      Effect.fnUntraced(function* (was) {
        if (!RunTransition.isOpen(was) || was.counts.waiting === 0) return Option.none<Run.Question>()
        const now = yield* Clock.currentTimeMillis
        const rows = yield* sql`
          SELECT body FROM remote_run_questions
          WHERE run_id = ${id} AND state = 'waiting' AND not_before_ms <= ${now}
          ORDER BY not_before_ms, idx LIMIT 1`.pipe(questions("claimQuestion"))
        const [row] = rows
        if (row === undefined) return Option.none<Run.Question>()
        const changed = RunTransition.claim(was, row.body, slot, attempt)
        yield* write(was, changed)
        return Option.some(changed.question)
      })
    )
  )

  const start: RunStore["Service"]["start"] = Effect.fn("RunStore.start")((id, slot, fence, attempt) =>
    change(
      "startQuestion",
      id,
      fence,
      Effect.fnUntraced(function* (was) {
        const found = yield* inSlot("startQuestion", id, slot)
        if (Option.isNone(found) || found.value.state !== "assigned") return Option.none<Run.Question>()
        const changed = RunTransition.start(was, found.value, attempt)
        yield* write(was, changed)
        return Option.some(changed.question)
      })
    )
  )

  const finish: RunStore["Service"]["finish"] = Effect.fn("RunStore.finish")((id, slot, fence, end) =>
    change(
      "finishQuestion",
      id,
      fence,
      Effect.fnUntraced(function* (was) {
        const found = yield* inSlot("finishQuestion", id, slot)
        if (Option.isNone(found)) return Option.none<RunTransition.Changed>()
        const changed = RunTransition.finish(was, found.value, end, yield* DateTime.now)
        yield* write(was, changed)
        return Option.some(changed)
      })
    )
  )

  const agentIn = (operation: string, id: Id.RunId, slot: number) =>
    sql`SELECT agent_id FROM remote_run_slots WHERE run_id = ${id} AND slot = ${slot}`.pipe(
      slots(operation),
      Effect.map((rows) => Option.fromNullishOr(rows[0]?.agent_id))
    )

  const slot = Effect.fn("RunStore.slot")((id: Id.RunId, number: number) =>
    failures("getSlot")(
      Effect.gen(function* () {
        const agentId = yield* agentIn("getSlot", id, number)
        return { slot: number, agentId, question: yield* inSlot("getSlot", id, number) }
      })
    )
  )

  const setAgent: RunStore["Service"]["setAgent"] = Effect.fn("RunStore.setAgent")((
    id,
    number,
    fence,
    agentId
  ) => {
    const { before, check } = fencing("setSlotAgent", fence)
    const row = { run_id: id, slot: number, agent_id: Option.getOrNull(agentId) }
    return Effect.andThen(
      Effect.andThen(before, check),
      sql`
          INSERT INTO remote_run_slots ${sql.insert(row)}
          ON CONFLICT (run_id, slot) DO UPDATE SET agent_id = excluded.agent_id`
    ).pipe(Effect.asVoid, atOnce, failures("setSlotAgent"))
  })

  const usedSlots = Effect.fn("RunStore.slots")((id: Id.RunId) =>
    sql`
      SELECT slot FROM remote_run_slots WHERE run_id = ${id} AND agent_id IS NOT NULL
      UNION SELECT slot FROM remote_run_questions WHERE run_id = ${id} AND slot IS NOT NULL`.pipe(
      numbers("listSlots"),
      Effect.map((rows) => rows.map((row) => row.slot).toSorted((a, b) => a - b)),
      failures("listSlots")
    )
  )

  const select = (operation: string, statement: Parameters<ReturnType<typeof questions>>[0]) =>
    Effect.map(questions(operation)(statement), (rows) => rows.map(({ body }) => body))

  const results = Effect.fn("RunStore.results")((id: Id.RunId, { after, limit, order }: ResultRange) =>
    failures("listResults")(
      Effect.gen(function* () {
        if (order === "completion") {
          return yield* select(
            "listResults",
            sql`
              SELECT body FROM remote_run_questions
              WHERE run_id = ${id} AND seq > ${after ?? 0} ORDER BY seq LIMIT ${limit}`
          )
        }
        // Read before the questions, so that none that ends in between is left out.
        const over = RunTransition.isOver(yield* read("listResults", id))
        const page = yield* select(
          "listResults",
          over
            ? sql`
              SELECT body FROM remote_run_questions
              WHERE run_id = ${id} AND idx > ${after ?? -1} AND state = 'ended' ORDER BY idx LIMIT ${limit}`
            : sql`
              SELECT body FROM remote_run_questions
              WHERE run_id = ${id} AND idx > ${after ?? -1} ORDER BY idx LIMIT ${limit}`
        )
        return Arr.takeWhile(page, ({ state }) => state === "ended")
      })
    )
  )

  const questionsFrom = Effect.fn("RunStore.questions")((id: Id.RunId, from: number, limit: number) =>
    failures("listQuestions")(
      select(
        "listQuestions",
        sql`
          SELECT body FROM remote_run_questions WHERE run_id = ${id} AND idx >= ${from} ORDER BY idx LIMIT ${limit}`
      )
    )
  )

  const remove = Effect.fn("RunStore.remove")((id: Id.RunId) =>
    Effect.gen(function* () {
      yield* sql`DELETE FROM remote_run_questions WHERE run_id = ${id}`
      yield* sql`DELETE FROM remote_run_slots WHERE run_id = ${id}`
      yield* sql`DELETE FROM remote_runs WHERE id = ${id}`
    }).pipe(atOnce, failures("removeRun"))
  )

  return RunStore.of({
    create,
    get: Effect.fn("RunStore.get")((id) => failures("getRun")(read("getRun", id))),
    list,
    open,
    add,
    change: changeRun,
    claim,
    start,
    finish,
    slot,
    slots: usedSlots,
    setAgent,
    results,
    questions: questionsFrom,
    remove
  })
}
