/**
 * Lists that come in pages, and requests that may be repeated.
 *
 * @since 0.2.0
 */
import { Schema } from "effect"

/**
 * How many items a page has at most; 100 when absent.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Limit = Schema.FiniteFromString.pipe(
  Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 1000 }))
)

/**
 * A page of a list. `next` is the `after` of the next page, and absent on the last.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Page = <S extends Schema.Top>(item: S) =>
  Schema.Struct({ items: Schema.Array(item), next: Schema.optionalKey(Schema.String) })

/**
 * A key of the client's choice for one request. A request that is repeated under its key is carried out once.
 *
 * @category schemas
 * @since 0.2.0
 */
export const IdempotencyKey = Schema.String.check(Schema.isBetweenLength(1, 200))
