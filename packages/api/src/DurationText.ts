/**
 * Durations as people write them.
 *
 * @since 0.2.0
 */
import { Duration, Schema, SchemaGetter } from "effect"

const units: Readonly<Record<string, Duration.Duration>> = {
  ms: Duration.millis(1),
  s: Duration.seconds(1),
  m: Duration.minutes(1),
  h: Duration.hours(1),
  d: Duration.days(1)
}

const expected = "a duration such as 30s, 5m or 1h30m"

const pattern = /^(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d))+$/

const read = (text: string): Duration.Duration =>
  [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
    .map(([, amount = "0", unit = "s"]) => Duration.times(units[unit] ?? Duration.zero, Number(amount)))
    .reduce(Duration.sum, Duration.zero)

const write = (duration: Duration.Duration): string => {
  const millis = Math.round(Duration.toMillis(duration))
  return millis % 1000 === 0 ? `${millis / 1000}s` : `${millis}ms`
}

/**
 * A duration as text: `30s`, `5m`, `1h30m` or `250ms`.
 *
 * @category schemas
 * @since 0.2.0
 */
export const DurationText = Schema.String.check(
  Schema.isPattern(pattern, { expected, message: expected })
).pipe(
  Schema.decodeTo(Schema.Duration, {
    decode: SchemaGetter.transform(read),
    encode: SchemaGetter.transform(write)
  })
)
