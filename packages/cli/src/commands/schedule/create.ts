import { Id, RemoteAgentConfig, Schedule, ScheduleTick } from "@remote-agent/domain"
import { ScheduleStore } from "@remote-agent/orchestrator"
import { DateTime, Duration, Effect, Option, Stream } from "effect"
import { Argument, Flag } from "effect/cli"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import { Usage } from "../../ui/Failure.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { questionsOf } from "../run/shared/questions.ts"
import * as RunFlags from "../run/shared/runFlags.ts"
import * as Budget from "../shared/budget.ts"
import { atState, command } from "../shared/command.ts"
import { profile, question, state } from "../shared/flags.ts"
import { print } from "./scheduleText.ts"

const policy = (name: string, fallback: Schedule.Policy, description: string) =>
  Flag.Literals(name, ["skip", "one", "all"]).pipe(
    Flag.withDefault(fallback),
    Flag.withDescription(description)
  )

/** `schedule create`. */
export const create = command({
  name: "schedule create",
  at: atState,
  description: "Start a run at the times of a cron expression, by workers or by `schedule watch`",
  flags: {
    cron: Argument.String("cron").pipe(
      Argument.withDescription(
        'Minute, hour, day, month and weekday, in quotes: "0 7 * * 1-5" is 7:00 on weekdays'
      )
    ),
    questions: Argument.variadic(question),
    zone: Flag.String("zone").pipe(
      Flag.withDefault("UTC"),
      Flag.withDescription("The time zone of the expression, such as America/New_York")
    ),
    missed: policy(
      "missed",
      "one",
      "Times that passed while nothing watched: run none, the last one, or all"
    ),
    overlap: policy(
      "overlap",
      "skip",
      "A time during the run of an earlier one: skip it, let the last one wait, or run all"
    ),
    ...RunFlags.spec,
    profile,
    state
  },
  examples: [
    {
      command:
        'remote-agent schedule create "0 7 * * 1-5" --zone America/New_York --profile dexter "What moved the markets?"',
      description: "One question, on weekdays at 7:00 in New York"
    },
    {
      command: 'remote-agent schedule create "30 18 * * 5" --file questions.txt --size 5 --missed skip',
      description: "A run of many questions every week"
    }
  ],
  run: Effect.fn("schedule create")(
    function* (flags): Run<State.Records> {
      const { cron, missed, overlap, zone } = flags
      if (Option.isNone(ScheduleTick.parse(cron, zone))) {
        return yield* new Usage({
          message: `"${cron}" in the zone "${zone}" is not a schedule. Give five fields such as "0 7 * * 1-5", and a zone such as America/New_York.`
        })
      }
      const retry = RunFlags.retryOf(flags)
      if ("unknown" in retry) {
        return yield* new Usage({
          message: `"${retry.unknown}" is not an outcome. See --help for those of --retry.`
        })
      }
      const { REMOTE_AGENT_PROFILE } = yield* RemoteAgentConfig.RemoteAgentConfig
      const questions = yield* Stream.runCollect(yield* questionsOf(flags.questions, flags.file))
      if (questions.length === 0) return yield* new Usage({ message: "There is no question in the file." })
      const budget = Budget.of(flags)
      const now = yield* DateTime.now
      const schedule = new Schedule.Schedule({
        id: yield* Id.nextScheduleId,
        cron,
        zone,
        missed,
        overlap,
        status: "active",
        template: new Schedule.Template({
          profile: flags.profile ?? REMOTE_AGENT_PROFILE,
          size: flags.size ?? Math.min(3, questions.length),
          priority: flags.priority,
          retry,
          questions,
          ...(flags.stopAfter === undefined ? {} : { stopAfter: flags.stopAfter }),
          ...(budget === undefined ? {} : { budget }),
          ...(flags.timeout === undefined ? {} : { timeout: Duration.seconds(flags.timeout) })
        }),
        decidedUntil: now,
        createdAt: now,
        ...(flags.name === undefined ? {} : { name: flags.name })
      })
      yield* (yield* ScheduleStore.ScheduleStore).create(schedule)
      yield* print(schedule, flags.json)
      const { note } = yield* Screen
      yield* line(
        note,
        "Its runs start while a `remote-agent worker` or `remote-agent schedule watch` is running."
      )
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
