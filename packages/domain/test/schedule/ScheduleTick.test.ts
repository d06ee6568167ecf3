import { assert, describe, it } from "@effect/vitest"
import { Id, Run, Schedule, ScheduleTick } from "@remote-agent/domain"
import { DateTime, Effect, Option, Schema } from "effect"

const at = (text: string) => DateTime.makeUnsafe(text)

const schedule = (fields: Partial<Schedule.Schedule> = {}) =>
  new Schedule.Schedule({
    id: Id.ScheduleId.make(`sch_${"0".repeat(26)}`),
    cron: "0 7 * * *",
    zone: "America/New_York",
    missed: "one",
    overlap: "skip",
    status: "active",
    template: new Schedule.Template({
      profile: "sample",
      size: 1,
      priority: 0,
      retry: Run.noRetries,
      questions: ["why?"]
    }),
    decidedUntil: at("2026-03-01T00:00:00Z"),
    createdAt: at("2026-03-01T00:00:00Z"),
    ...fields
  })

const said = ({ decisions }: ScheduleTick.Decisions) =>
  decisions.map(({ outcome, tick }) => `${DateTime.formatIso(tick).slice(5, 16)} ${outcome}`)

const upcoming = (cron: string, zone: string, after: string, count: number) =>
  ScheduleTick.upcoming({ cron, zone }, at(after), count).map(DateTime.formatIso)

describe("ScheduleTick", () => {
  it("refuses expressions and zones that do not exist", () => {
    assert.isTrue(Option.isNone(ScheduleTick.parse("every day", "UTC")))
    assert.isTrue(Option.isNone(ScheduleTick.parse("0 7 * * 1-5", "America/Springfield")))
    assert.isTrue(Option.isSome(ScheduleTick.parse("0 7 * * 1-5", "America/New_York")))
  })

  it("keeps the local time over both changes of daylight saving", () => {
    assert.deepStrictEqual(upcoming("0 7 * * *", "America/New_York", "2026-03-07T00:00:00Z", 3), [
      "2026-03-07T12:00:00.000Z",
      "2026-03-08T11:00:00.000Z",
      "2026-03-09T11:00:00.000Z"
    ])
    assert.deepStrictEqual(upcoming("0 7 * * *", "America/New_York", "2026-10-31T00:00:00Z", 3), [
      "2026-10-31T11:00:00.000Z",
      "2026-11-01T12:00:00.000Z",
      "2026-11-02T12:00:00.000Z"
    ])
  })

  it("has one time in the night that repeats an hour, and one in the night that lacks it", () => {
    const autumn = upcoming("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2)
    assert.deepStrictEqual(autumn, ["2026-11-01T05:30:00.000Z", "2026-11-02T06:30:00.000Z"])
    const spring = upcoming("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", 2)
    assert.strictEqual(spring.filter((tick) => tick < "2026-03-09T00:00:00Z").length, 1, spring.join())
  })

  it("runs, skips or catches up what a three-day outage has missed", () => {
    const now = at("2026-03-04T09:00:00Z")
    assert.deepStrictEqual(said(ScheduleTick.decide(schedule({ missed: "skip" }), now, false)), [
      "03-01T12:00 missed",
      "03-02T12:00 missed",
      "03-03T12:00 missed"
    ])
    assert.deepStrictEqual(said(ScheduleTick.decide(schedule({ missed: "one" }), now, false)), [
      "03-01T12:00 missed",
      "03-02T12:00 missed",
      "03-03T12:00 started"
    ])
    assert.deepStrictEqual(
      said(ScheduleTick.decide(schedule({ missed: "all", overlap: "all" }), now, false)),
      ["03-01T12:00 started", "03-02T12:00 started", "03-03T12:00 started"]
    )
  })

  it("skips a time during a run, lets the last one wait, or starts it beside the run", () => {
    const now = at("2026-03-01T12:00:30Z")
    assert.deepStrictEqual(said(ScheduleTick.decide(schedule(), now, true)), ["03-01T12:00 overlapped"])
    assert.deepStrictEqual(said(ScheduleTick.decide(schedule({ overlap: "all" }), now, true)), [
      "03-01T12:00 started"
    ])
    const waits = ScheduleTick.decide(schedule({ overlap: "one" }), now, true)
    assert.deepStrictEqual([said(waits), waits.waiting], [[], at("2026-03-01T12:00:00Z")])
    const waiting = schedule({
      overlap: "one",
      waiting: at("2026-03-01T12:00:00Z"),
      decidedUntil: waits.decidedUntil
    })
    const later = ScheduleTick.decide(waiting, at("2026-03-01T18:00:00Z"), false)
    assert.deepStrictEqual([said(later), later.waiting], [["03-01T12:00 started"], undefined])
    const next = ScheduleTick.decide(waiting, at("2026-03-02T12:00:10Z"), true)
    assert.deepStrictEqual(
      [said(next), next.waiting],
      [["03-01T12:00 overlapped"], at("2026-03-02T12:00:00Z")]
    )
  })

  it("decides nothing while it is paused", () => {
    assert.deepStrictEqual(
      said(ScheduleTick.decide(schedule({ status: "paused" }), at("2026-03-04T09:00:00Z"), false)),
      []
    )
  })

  it.effect.prop(
    "decides every time once, however often it looks",
    {
      looks: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5000 }))),
      policies: Schema.Tuple([Schedule.Policy, Schedule.Policy])
    },
    ({ looks, policies: [missed, overlap] }) =>
      Effect.sync(() => {
        let current = schedule({ cron: "*/30 * * * *", missed, overlap })
        let now = current.decidedUntil
        const decided: Array<string> = []
        for (const [index, minutes] of [...looks, 60].entries()) {
          now = DateTime.add(now, { minutes })
          const { decidedUntil, decisions, waiting } = ScheduleTick.decide(current, now, index % 2 === 0)
          decided.push(...decisions.map(({ tick }) => DateTime.formatIso(tick)))
          const { waiting: _, ...rest } = current
          current = new Schedule.Schedule({
            ...rest,
            decidedUntil,
            ...(waiting === undefined ? {} : { waiting })
          })
        }
        assert.strictEqual(new Set(decided).size, decided.length)
        const all = decided.length + (current.waiting === undefined ? 0 : 1)
        const total = [...looks, 60].reduce((sum, minutes) => sum + minutes, 0)
        if (total < 30 * 2000) assert.strictEqual(all, Math.floor(total / 30))
      })
  )
})
