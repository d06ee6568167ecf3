import { type State, stateNames } from "./AgentState.ts"

/** The state of an agent: a shape, a colour and a word, so that none of them is needed alone. */
export const StateBadge = ({ state }: { readonly state: State }) => (
  <span className={`state state-${state}`}>
    <span className="state-dot" aria-hidden="true" />
    {stateNames[state]}
  </span>
)
