import { Api, type Authorization, type RequestChecks } from "@remote-agent/api"
import { TokenUsage } from "@remote-agent/domain"
import { Orchestrator, StateStore } from "@remote-agent/orchestrator"
import { Effect, type Layer, Stream } from "effect"
import { HttpApiBuilder, type HttpApiGroup } from "effect/http-api"
import { sent } from "./sent.ts"

const groupOf = ({ key, name, ...group }: StateStore.UsageGroup) => ({
  ...group,
  ...(key === undefined ? {} : { key }),
  ...(name === undefined ? {} : { name })
})

/** The groups of agents, summed up by another key. Those without one come last. */
const summed = (
  groups: ReadonlyArray<StateStore.UsageGroup>,
  keyOf: (group: StateStore.UsageGroup) => string | undefined
) => {
  const sums = new Map<string | undefined, StateStore.UsageGroup>()
  for (const group of groups) {
    const key = keyOf(group)
    const { queries, usage } = sums.get(key) ?? { queries: 0, usage: TokenUsage.zero }
    sums.set(key, {
      key,
      queries: queries + group.queries,
      usage: TokenUsage.add(usage, group.usage)
    })
  }
  return [...sums.values()].toSorted(StateStore.byKey).map(groupOf)
}

/**
 * The handlers for usage.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<
  HttpApiGroup.Service<"remote-agent", "usage">,
  never,
  | Authorization.Authorization
  | RequestChecks.RequestChecks
  | Orchestrator.Orchestrator
  | StateStore.StateStore
> = HttpApiBuilder.group(
  Api.Api,
  "usage",
  Effect.fnUntraced(function* (handlers) {
    const { queries } = yield* Orchestrator.Orchestrator
    const store = yield* StateStore.StateStore

    return handlers.handleAll({
      summary: ({ query }) => sent(queries.usage(query)),
      by: ({ params, query }) =>
        Effect.map(sent(store.usageBy(params.grouping, query)), (groups) => groups.map(groupOf)),
      byLabel: ({ params, query }) =>
        Effect.gen(function* () {
          const groups = yield* sent(store.usageBy("agent", query))
          const values = yield* sent(
            Stream.runFold(
              store.listAgents(),
              () => new Map<string, string | undefined>(),
              (all, { id, labels }) => all.set(id, labels[params.key])
            )
          )
          return summed(groups, ({ key = "" }) => values.get(key))
        })
    })
  })
)
