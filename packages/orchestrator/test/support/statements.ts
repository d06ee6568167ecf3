import { Effect } from "effect"
import { DatabaseSync, StatementSync } from "node:sqlite"

/** Replaces the methods of an object and returns what puts them back. */
const replaced = <T extends object>(target: T, methods: Readonly<Record<string, unknown>>) => {
  const before = Object.fromEntries(Object.keys(methods).map((name) => [name, Reflect.get(target, name)]))
  Object.assign(target, methods)
  return () => Object.assign(target, before)
}

/** The statements that SQLite runs in this process while an effect runs, transaction control and pragmas included. */
export const statementsOf = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<readonly [A, ReadonlyArray<string>], E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const seen: Array<string> = []
      const counting = (method: Function) =>
        function (this: StatementSync, ...args: ReadonlyArray<unknown>): unknown {
          seen.push(this.sourceSQL.replaceAll(/\s+/g, " ").trim())
          return Reflect.apply(method, this, args)
        }
      const { all, get, iterate, run } = StatementSync.prototype
      const { exec } = DatabaseSync.prototype
      const restored = [
        replaced(StatementSync.prototype, {
          all: counting(all),
          get: counting(get),
          iterate: counting(iterate),
          run: counting(run)
        }),
        replaced(DatabaseSync.prototype, {
          exec(this: DatabaseSync, sql: string): unknown {
            seen.push(sql)
            return Reflect.apply(exec, this, [sql])
          }
        })
      ]
      return { restored, seen }
    }),
    ({ seen }) => Effect.map(effect, (value) => [value, seen] as const),
    ({ restored }) => Effect.sync(() => restored.forEach((restore) => restore()))
  )
