/**
 * What a snapshot is called by: its id, or the name that a client gave it, each with or without a tag.
 *
 * @since 0.1.0
 */
import { Option } from "effect"
import { ApiError } from "../api/ApiError.ts"

/** A name of a client, and the tag, which is `default` unless it is said. */
export interface Name {
  readonly name: string
  readonly tag: string
}

/** What a snapshot can be found by. */
interface Named {
  readonly id: string
  readonly name: Option.Option<Name>
}

const NAMESPACE = "local/"
const TAG = "default"
const BASE = "base"
const ID = /^snap[0-9a-z]{16}$/

/** None when the text is no name for a snapshot: an id, the base template, or with characters that names have not. */
export const parse = (text: string): Option.Option<Name> => {
  const match = /^([a-z0-9][a-z0-9_-]{0,127})(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?$/.exec(
    text.startsWith(NAMESPACE) ? text.slice(NAMESPACE.length) : text
  )
  const [, name = "", tag = TAG] = match ?? []
  return name === "" || name === BASE || ID.test(name) ? Option.none() : Option.some({ name, tag })
}

/** A name as the API tells it. */
export const format = ({ name, tag }: Name): string => `${NAMESPACE}${name}:${tag}`

/** By what the API refers to a snapshot. */
export const referenceOf = (snapshot: Named): string =>
  Option.match(snapshot.name, { onNone: () => `${snapshot.id}:${TAG}`, onSome: format })

/** The snapshot that is meant; without a tag that of the tag `default`. */
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

/** Whether it means the template that is no snapshot, and the only one there is. */
export const isBase = (reference: string): boolean => reference === BASE

/** The refusal of what is not there. */
export const notFound = (reference: string) =>
  new ApiError({
    status: 404,
    message: `template ${JSON.stringify(reference)} was not found: local sandboxes are made from "${BASE}" or from a snapshot`
  })
