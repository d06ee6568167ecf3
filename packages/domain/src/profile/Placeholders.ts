/**
 * A placeholder, written in braces.
 *
 * **Details**
 *
 * - `{home}`: the home folder in the sandbox.
 * - `{work}`: the working folder of the agent.
 * - `{run}`: the folder of this program's own files, which the agent should not touch.
 * - `{source}` and `{ref}`: the folder of the agent's checked-out code, and its ref.
 * - `{requestFile}`: the file that holds the query.
 * - `{model}`, `{session}`, `{budgetUsd}`, `{maxIterations}`: the options of the query.
 *
 * @category models
 * @since 0.1.0
 */
export type Placeholder =
  | "home"
  | "work"
  | "run"
  | "source"
  | "ref"
  | "requestFile"
  | "model"
  | "session"
  | "budgetUsd"
  | "maxIterations"

/**
 * The values of placeholders.
 *
 * @category models
 * @since 0.1.0
 */
export type Placeholders = { readonly [P in Placeholder]?: string }

const pattern = /\{\{([A-Za-z]+)\}\}|\{([A-Za-z]+)\}/g

/**
 * Finds the first placeholder of a text that is not in `known`.
 *
 * @category validation
 * @since 0.1.0
 */
export const unknownIn = (text: string, known: ReadonlyArray<string>): string | undefined => {
  for (const [, , name] of text.matchAll(pattern)) {
    if (name !== undefined && !known.includes(name)) return name
  }
  return undefined
}

/**
 * Replaces the placeholders of a text by their values.
 *
 * **Details**
 *
 * Values are inserted as they are: placeholders inside them are not replaced. `{{home}}` becomes `{home}`. Other braces,
 * and placeholders without a value, stay as they are.
 *
 * @category expansion
 * @since 0.1.0
 */
export const expand = (text: string, values: Placeholders): string =>
  text.replaceAll(pattern, (whole, literal: string | undefined, name: string | undefined) => {
    if (literal !== undefined) return `{${literal}}`
    const value = name !== undefined && Object.hasOwn(values, name) ? values[name as Placeholder] : undefined
    return value ?? whole
  })

/**
 * Replaces the placeholders in each value of a record.
 *
 * @category expansion
 * @since 0.1.0
 */
export const expandAll = (
  texts: Readonly<Record<string, string>>,
  values: Placeholders
): Record<string, string> =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, expand(text, values)]))
