/**
 * Reads the records in payloads field by field: GitHub's versions and events differ in what they send, and a receiver
 * that refuses a whole delivery for a field that nobody reads loses it.
 */
import { Option, Schema } from "effect"
import * as Wire from "../api/internal/wire.ts"
import type * as Model from "../api/model.ts"

type Fields = Readonly<Record<string, unknown>>

/** A record without the fields that are undefined. */
const present = <A extends object>(fields: { readonly [K in keyof A]: A[K] | undefined }): Partial<A> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<A>

const reader = <A>(schema: Schema.Codec<A, unknown>) => {
  const decode = Schema.decodeUnknownOption(schema)
  return (value: unknown): A | undefined => Option.getOrUndefined(decode(value))
}

const text = reader(Schema.String)
/** A text that is `null` when nobody wrote it. */
const prose = (value: unknown): string | undefined => (value === null ? "" : text(value))
const flag = reader(Schema.Boolean)
const state = reader(Schema.Literals(["open", "closed"]))
const time = reader(Schema.DateTimeUtcFromString)
const integer = reader(Schema.Int)
const account = reader(Wire.Login)
const labels = reader(Wire.Labels)
const end = reader(Wire.End)
const people = reader(Wire.Reviewers)
const teams = reader(Wire.Teams)

/** The login of an account; GitHub's own name for a deleted one. */
export const login = (value: unknown): string => Wire.login(account(value))

const map = <A, B>(value: A | undefined, f: (value: A) => B): B | undefined =>
  value === undefined ? undefined : f(value)

const shared = (fields: Fields) => ({
  url: text(fields["html_url"]),
  title: text(fields["title"]),
  body: prose(fields["body"]),
  state: state(fields["state"]),
  author: fields["user"] === undefined ? undefined : login(fields["user"]),
  labels: map(labels(fields["labels"]), Wire.labels)
})

/** A pull request in a payload. */
export const pullRequest = ({ number, ...fields }: Fields & { readonly number: number }) => ({
  number,
  ...present<Omit<Model.PullRequest, "number">>({
    ...shared(fields),
    draft: flag(fields["draft"]),
    merged: flag(fields["merged"]) ?? map(prose(fields["merged_at"]), (at) => at !== ""),
    head: map(end(fields["head"]), Wire.end),
    base: map(end(fields["base"]), Wire.end),
    reviewers: map(people(fields["requested_reviewers"]), Wire.reviewers),
    teamReviewers: map(teams(fields["requested_teams"]), Wire.teams)
  })
})

/** An issue in a payload. */
export const issue = ({ number, ...fields }: Fields & { readonly number: number }) => ({
  number,
  ...present<Omit<Model.Issue, "number">>({
    ...shared(fields),
    createdAt: time(fields["created_at"]),
    updatedAt: time(fields["updated_at"])
  })
})

const isFields = Schema.is(Schema.Record(Schema.String, Schema.Unknown))

/** A comment in a payload. */
export const comment = (value: unknown): Partial<Model.Comment> => {
  const fields = isFields(value) ? value : {}
  return present<Model.Comment>({
    id: integer(fields["id"]),
    url: text(fields["html_url"]),
    body: prose(fields["body"]),
    author: fields["user"] === undefined ? undefined : login(fields["user"])
  })
}
