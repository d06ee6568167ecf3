import { Context } from "effect"

/**
 * Whose sandboxes those are that a state store knows. The owner is made with the store and stays with it, because
 * whatever carries an owner's stamp and is not known to its store is an orphan: two stores must never share one.
 */
export class Owner extends Context.Service<Owner, string>()("@remote-agent/orchestrator/Owner") {}
