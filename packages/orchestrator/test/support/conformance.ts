import { DeliveriesConformance } from "@remote-agent/github/testing"
import { Effect } from "effect"
import { cases as access } from "./accessCases.ts"
import { cases as agents } from "./agentCases.ts"
import { cases as intents } from "./intentsCases.ts"
import { cases as leases } from "./leaseCases.ts"
import { cases as pools } from "./poolCases.ts"
import { cases as queries } from "./queryCases.ts"
import { cases as runs } from "./runCases.ts"
import { cases as schedules } from "./scheduleCases.ts"
import { cases as setUps } from "./setUpCases.ts"
import { type Case, cases as basics, Passage } from "./stateStoreCases.ts"

const deliveries = DeliveriesConformance.cases(() => Effect.void).map(({ name }, index): Case => ({
  name,
  run: Effect.flatMap(Passage, ({ pass }) =>
    Effect.catchTag(
      DeliveriesConformance.cases(pass)[index]?.run ?? Effect.die(name),
      "Nonconforming",
      Effect.die
    )
  )
}))

/** All that every layer of the state does, each case on a store of its own. */
export const conformance: ReadonlyArray<Case> = [
  ...basics,
  ...agents,
  ...queries,
  ...pools,
  ...runs,
  ...schedules,
  ...leases,
  ...intents,
  ...setUps,
  ...access,
  ...deliveries
]
