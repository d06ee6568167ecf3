/**
 * The permitted reaction to a failure.
 *
 * **Details**
 *
 * - `safe`: try again. Nothing was changed, or doing it twice has the same effect as doing it once.
 * - `ambiguous`: the request may have been carried out. Find out before trying again.
 * - `never`: the same request fails the same way.
 *
 * @category models
 * @since 0.1.0
 */
export type RetryClass = "safe" | "ambiguous" | "never"
