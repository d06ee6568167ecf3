import { Effect } from "effect"
import { DatabaseSync, StatementSync } from "node:sqlite"

/** Calls `seen` before the methods of an object, and returns what puts the methods back. */
const observe = (
  target: object,
  names: ReadonlyArray<string>,
  seen: (self: unknown, args: ReadonlyArray<unknown>) => void
) => {
  const before = names.map((name) => [name, Reflect.get(target, name)] as const)
  for (const [name, method] of before) {
    Reflect.set(target, name, function (this: unknown, ...args: ReadonlyArray<unknown>): unknown {
      seen(this, args)
      return Reflect.apply(method, this, args)
    })
  }
  return () => before.forEach(([name, method]) => Reflect.set(target, name, method))
}

/** The statements that SQLite runs in this process while an effect runs, transaction control and pragmas included. */
export const statementsOf = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<readonly [A, ReadonlyArray<string>], E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const seen: Array<string> = []
      const restores = [
        observe(StatementSync.prototype, ["all", "get", "iterate", "run"], (self) =>
          seen.push((self as StatementSync).sourceSQL.replaceAll(/\s+/g, " ").trim())
        ),
        observe(DatabaseSync.prototype, ["exec"], (_, [sql]) => seen.push(String(sql)))
      ]
      return { restores, seen }
    }),
    ({ seen }) => Effect.map(effect, (value) => [value, seen] as const),
    ({ restores }) => Effect.sync(() => restores.forEach((restore) => restore()))
  )
