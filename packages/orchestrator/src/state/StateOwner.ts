import { Context } from "effect"

/**
 * Whose sandboxes those are that a state store knows. The owner is made with the store and stays with it, because
 * whatever carries an owner's stamp and is not known to its store is an orphan: two stores must never share one.
 */
export class StateOwner extends Context.Service<StateOwner, string>()(
  "@remote-agent/orchestrator/StateOwner"
) {}
