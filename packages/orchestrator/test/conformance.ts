import { cases as agents } from "./agentCases.ts"
import { cases as leases } from "./leaseCases.ts"
import { cases as pools } from "./poolCases.ts"
import { cases as queries } from "./queryCases.ts"
import { type Case, cases as basics } from "./stateStoreCases.ts"

/** All that every layer of the state does, each case on a store of its own. */
export const conformance: ReadonlyArray<Case> = [...basics, ...agents, ...queries, ...pools, ...leases]
