import { Orchestrator, type Queries, QueryHandle } from "@remote-agent/orchestrator"
import { Duration, Effect, Option, Result, type Stdio, Stream } from "effect"
import * as AgentLookup from "../../app/AgentLookup.ts"
import type { Run } from "../../app/Environment.ts"
import * as State from "../../app/State.ts"
import * as Answer from "../../ui/Answer.ts"
import { Usage } from "../../ui/Failure.ts"
import * as Json from "../../ui/json.ts"
import { line, Screen } from "../../ui/Screen.ts"
import { jsonText } from "../../ui/plainText.ts"
import * as Budget from "../shared/budget.ts"
import { command } from "../shared/command.ts"
import { agent, answering, budget, durable, onOff, text } from "../shared/flags.ts"
import { notify, notifying } from "../shared/notify.ts"
import { asked, read } from "../shared/question.ts"

const cancelled =
  "The query was cancelled, and its outcome is aborted. With --detach a query continues without this terminal."

/** `query`. */
export const query = command({
  name: "query",
  description: "Ask an agent a question and print the answer. Ctrl-C cancels the query",
  flags: {
    agent,
    ...asked,
    session: text("session", "The conversation it belongs to: the agent remembers its earlier questions"),
    newSession: onOff("new-session", "Start that conversation over"),
    continue: onOff("continue", "Continue the conversation of the agent's last query"),
    ...answering,
    ...budget("the query"),
    noResume: onOff("no-resume", "Fail when the agent is paused, and do not resume it"),
    replace: onOff("replace", "Give an agent that was lost or has failed a new, empty sandbox"),
    detach: onOff("detach", "Print the id of the query once it runs, and leave it running"),
    ...notifying,
    ...durable
  },
  examples: [
    { command: 'remote-agent query analyst "AAPL revenue 2024"', description: "Print the answer" },
    {
      command: 'remote-agent query analyst "And 2023?" --session apple',
      description: "Within a conversation"
    },
    {
      command: 'remote-agent query analyst "Compare all" --detach',
      description: "Print its id and return"
    },
    {
      command: 'git diff | remote-agent query reviewer "What is wrong here?"',
      description: "About a text that is piped in"
    }
  ],
  run: Effect.fn("query")(
    function* (flags): Run<State.Records | Stdio.Stdio> {
      const { json } = flags
      if (flags.continue && flags.session !== undefined) {
        return yield* new Usage({ message: "--continue and --session exclude each other. Give one of them." })
      }
      if (flags.detach && (flags.notify || flags.notifyCommand !== undefined)) {
        return yield* new Usage({
          message:
            "With --detach this command ends before the query does. Be notified by `remote-agent wait --notify`."
        })
      }
      const question = yield* read(flags)
      const found = yield* AgentLookup.one(flags.agent)
      const options: Queries.QueryOptions = {
        session: flags.session,
        newSession: flags.newSession,
        continue: flags.continue,
        timeout: flags.timeout === undefined ? undefined : Duration.seconds(flags.timeout),
        model: flags.model,
        maxIterations: flags.maxSteps,
        budget: Budget.of(flags),
        resume: !flags.noResume,
        replace: flags.replace
      }
      yield* Effect.gen(function* () {
        const { note, out } = yield* Screen
        const { agents } = yield* Orchestrator.Orchestrator
        const handle = agents.of(found)
        if (flags.detach) {
          const { record } = yield* handle.start(question, options)
          yield* line(out, json ? jsonText(yield* Json.ofQueryRecord(record)) : record.id)
          return yield* line(note, `The query continues.\n  remote-agent logs --follow ${record.id}`)
        }
        const events = handle.stream(question, options)
        const last = yield* Stream.runLast(json ? events : Stream.tap(events, Answer.progress)).pipe(
          Effect.onInterrupt(() => line(note, cancelled))
        )
        const id = Option.getOrThrow(last).queryId
        const result = QueryHandle.resultOf("query", { agentId: found.id, id, text: question }, last)
        const ended = yield* Effect.result(result)
        const outcome = Result.isSuccess(ended) ? "ok" : "failed"
        yield* Effect.ensuring(
          Answer.print(ended, json),
          notify(flags, {
            title: "remote-agent",
            text: `The query of ${found.name} ${outcome === "ok" ? "was answered" : "ended without an answer"}.`,
            env: { REMOTE_AGENT_OUTCOME: outcome, REMOTE_AGENT_QUERY_ID: id }
          })
        )
      }).pipe(Effect.provide(AgentLookup.services(flags, [found])))
    },
    (effect, flags) => Effect.provide(effect, State.layer(flags))
  )
})
