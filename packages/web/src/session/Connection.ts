/** Whether the server answers, and since when it does not. */

export type ConnectionState =
  | { readonly _tag: "Live" }
  /** The first request is under way. */
  | { readonly _tag: "Connecting" }
  /** What is shown was read at `since`, in milliseconds. */
  | { readonly _tag: "Stale"; readonly since: number }

/** A value that components can subscribe to. */
export class Connection {
  #state: ConnectionState = { _tag: "Connecting" }
  #answeredAt = Date.now()
  #listeners = new Set<() => void>()

  readonly state = (): ConnectionState => this.#state

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  answered(): void {
    this.#answeredAt = Date.now()
    if (this.#state._tag !== "Live") this.#become({ _tag: "Live" })
  }

  failed(): void {
    if (this.#state._tag !== "Stale") this.#become({ _tag: "Stale", since: this.#answeredAt })
  }

  #become(state: ConnectionState): void {
    this.#state = state
    for (const listener of this.#listeners) listener()
  }
}
