import { Option, Redacted } from "effect"

/**
 * The location of the state of an installation.
 *
 * @category models
 * @since 0.1.0
 */
export type StateLocation =
  | { readonly _tag: "Memory" }
  | { readonly _tag: "File"; readonly path: string }
  | { readonly _tag: "Postgres"; readonly url: Redacted.Redacted }

/**
 * Describes the text that {@link parse} accepts.
 *
 * @category formatting
 * @since 0.1.0
 */
export const expected = "a path, `postgres://user:password@host/database`, or `memory`"

const decoded = Option.liftThrowable(decodeURIComponent)

const scheme = /^([a-z][a-z0-9+.-]*):\/\//i

/**
 * Parses a location: `memory`, a `postgres://` or `postgresql://` address, or a path, which may be `file:///…`.
 *
 * **Details**
 *
 * Returns `None` for an address with another scheme or without a host, and for text that cannot be a path.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (text: string): Option.Option<StateLocation> => {
  if (text === "memory") return Option.some({ _tag: "Memory" })
  if (text.trim() === "" || text.includes("\0")) return Option.none()
  switch (scheme.exec(text)?.[1]?.toLowerCase()) {
    case undefined:
      return Option.some({ _tag: "File", path: text })
    case "postgres":
    case "postgresql": {
      const url = URL.parse(text)
      return url === null || (url.hostname === "" && !url.searchParams.has("host"))
        ? Option.none()
        : Option.some({ _tag: "Postgres", url: Redacted.make(text) })
    }
    case "file": {
      const url = URL.parse(text)
      return url === null || url.hostname !== "" || /%00/.test(url.pathname)
        ? Option.none()
        : Option.map(decoded(url.pathname), (path) => ({ _tag: "File", path }))
    }
    default:
      return Option.none()
  }
}
