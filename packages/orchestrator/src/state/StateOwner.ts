import { Context } from "effect"

/**
 * The owner of the sandboxes that a state store knows.
 *
 * **Details**
 *
 * The owner is generated with the store and never changes. A sandbox that is labelled with an owner and unknown to the
 * store of that owner is an orphan, so two stores must never share an owner.
 *
 * @category services
 * @since 0.1.0
 */
export class StateOwner extends Context.Service<StateOwner, string>()(
  "@remote-agent/orchestrator/StateOwner"
) {}
