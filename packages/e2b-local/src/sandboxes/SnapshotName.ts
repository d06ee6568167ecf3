/**
 * References to snapshots: an id, or a name that a client gave, each with or without a tag.
 *
 * @since 0.1.0
 */
import { Option } from "effect"

/** A name given by a client with its tag. The tag is `default` when the client gives none. */
export interface Name {
  readonly name: string
  readonly tag: string
}

/** The parts of a snapshot that references compare with. */
interface Named {
  readonly id: string
  readonly name: Option.Option<Name>
}

const NAMESPACE = "local/"
const TAG = "default"
const BASE = "base"
const ID = /^snap[0-9a-z]{16}$/

/** Parses a name for a snapshot. None for an id, the base template, and names with other characters. */
export const parse = (text: string): Option.Option<Name> => {
  const match = /^([a-z0-9][a-z0-9_-]{0,127})(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?$/.exec(
    text.startsWith(NAMESPACE) ? text.slice(NAMESPACE.length) : text
  )
  const [, name = "", tag = TAG] = match ?? []
  return name === "" || name === BASE || ID.test(name) ? Option.none() : Option.some({ name, tag })
}

/** A name in the form of the API. */
export const format = ({ name, tag }: Name): string => `${NAMESPACE}${name}:${tag}`

/** The reference to a snapshot that the API returns. */
export const referenceOf = (snapshot: Named): string =>
  Option.match(snapshot.name, { onNone: () => `${snapshot.id}:${TAG}`, onSome: format })

/** Finds the referenced snapshot. A reference without a tag means the tag `default`. */
export const find = <A extends Named>(snapshots: Iterable<A>, reference: string): Option.Option<A> => {
  const name = Option.map(parse(reference), format)
  const id = reference.replace(`:${TAG}`, "")
  for (const snapshot of snapshots) {
    if (snapshot.id === id) return Option.some(snapshot)
    if (Option.isSome(name) && Option.contains(Option.map(snapshot.name, format), name.value)) {
      return Option.some(snapshot)
    }
  }
  return Option.none()
}

/** Whether the reference means the only template that is not a snapshot. */
export const isBase = (reference: string): boolean => reference === BASE
