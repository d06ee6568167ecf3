/**
 * Text with placeholders in braces.
 *
 * - `{home}`: the home folder in the sandbox.
 * - `{work}`: the folder that the agent works in.
 * - `{run}`: the folder of our own files, in which the agent has no business.
 * - `{source}` and `{ref}`: the folder of its checked-out code, and the ref that was asked for.
 * - `{requestFile}`: the file that holds the query.
 * - `{model}`, `{session}`, `{budgetUsd}`, `{maxIterations}`: what was chosen for the query.
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

/** What they stand for. */
export type Placeholders = { readonly [P in Placeholder]?: string }

const pattern = /\{\{([A-Za-z]+)\}\}|\{([A-Za-z]+)\}/g

/** The first placeholder of a text that is none of `known`. */
export const unknownIn = (text: string, known: ReadonlyArray<string>): string | undefined => {
  for (const [, , name] of text.matchAll(pattern)) {
    if (name !== undefined && !known.includes(name)) return name
  }
  return undefined
}

/**
 * Puts the values in for the placeholders, once: not in what they stand for. `{{home}}` becomes `{home}`; other
 * braces, and placeholders without a value, stay as they are.
 */
export const expand = (text: string, values: Placeholders): string =>
  text.replaceAll(pattern, (whole, literal: string | undefined, name: string | undefined) => {
    if (literal !== undefined) return `{${literal}}`
    const value = name !== undefined && Object.hasOwn(values, name) ? values[name as Placeholder] : undefined
    return value ?? whole
  })

/** The same for each value of a record. */
export const expandAll = (
  texts: Readonly<Record<string, string>>,
  values: Placeholders
): Record<string, string> =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, expand(text, values)]))
