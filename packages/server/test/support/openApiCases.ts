/** A JSON schema, as far as values are made from it. */
interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | ReadonlyArray<string>
  readonly enum?: ReadonlyArray<unknown>
  readonly anyOf?: ReadonlyArray<JsonSchema>
  readonly oneOf?: ReadonlyArray<JsonSchema>
  readonly allOf?: ReadonlyArray<JsonSchema>
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: ReadonlyArray<string>
  readonly items?: JsonSchema
  readonly additionalProperties?: JsonSchema | boolean
}

interface Parameter {
  readonly name: string
  readonly in: "path" | "query" | "header"
  readonly required?: boolean
  readonly schema: JsonSchema
}

interface Operation {
  readonly operationId: string
  readonly parameters?: ReadonlyArray<Parameter>
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: JsonSchema }>> }
  readonly responses: Readonly<Record<string, unknown>>
}

/** An OpenAPI document, as far as requests are made from it. */
export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components?: { readonly schemas?: Readonly<Record<string, JsonSchema>> }
}

/** A request, and the statuses that its operation declares. */
export interface Case {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly declared: ReadonlySet<number>
}

/** A generator of numbers from 0 to 1 that gives the same ones for the same seed. */
export const randomOf = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Values that break careless code. */
const nonsense: ReadonlyArray<unknown> = [
  null,
  true,
  -1,
  0,
  1e308,
  Number.MAX_SAFE_INTEGER,
  "",
  " ",
  "\u0000",
  "\uD800",
  "../../etc/passwd",
  "%00",
  "a".repeat(5000),
  "💥",
  [],
  [[[]]],
  {},
  { __proto__: { polluted: true } },
  { constructor: 1 }
]

/** Texts that fit the patterns of the API. */
const plausible: ReadonlyArray<string> = [
  "agt_01arz3ndektsv4rrffq69g5fav",
  "qry_01arz3ndektsv4rrffq69g5fav",
  "one",
  "30s",
  "2026-01-31T00:00:00.000Z",
  "key=value",
  "active",
  "run",
  "aGVsbG8="
]

/** Makes requests from a document: most nearly right, some nonsense. */
export const casesOf = (document: Document, random: () => number): ReadonlyArray<Case> => {
  const pick = <A>(values: ReadonlyArray<A>): A => values[Math.floor(random() * values.length)] as A

  const resolve = (schema: JsonSchema): JsonSchema => {
    const name = schema.$ref?.split("/").at(-1)
    return name === undefined ? schema : (document.components?.schemas?.[name] ?? {})
  }

  const valueOf = (given: JsonSchema, depth = 0): unknown => {
    if (random() < 0.15 || depth > 6) return pick(nonsense)
    const schema = resolve(given)
    const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf
    if (choices !== undefined) return valueOf(pick(choices), depth + 1)
    if (schema.enum !== undefined) return pick(schema.enum)
    switch (Array.isArray(schema.type) ? pick(schema.type as ReadonlyArray<string>) : schema.type) {
      case "string":
        return pick(plausible)
      case "number":
      case "integer":
        return Math.floor(random() * 100)
      case "boolean":
        return random() < 0.5
      case "array":
        return Array.from({ length: Math.floor(random() * 3) }, () => valueOf(schema.items ?? {}, depth + 1))
      case "object":
        return Object.fromEntries(
          Object.entries(schema.properties ?? {})
            .filter(([name]) => random() < ((schema.required ?? []).includes(name) ? 0.95 : 0.4))
            .map(([name, inner]) => [name, valueOf(inner, depth + 1)])
        )
      default:
        return pick(nonsense)
    }
  }

  const textOf = (schema: JsonSchema): string => {
    const value = valueOf(schema)
    return typeof value === "string" ? value : JSON.stringify(value)
  }

  /** A header takes printable characters only. */
  const headerOf = (schema: JsonSchema): string =>
    textOf(schema)
      .replaceAll(/[^\x20-\x7e]/g, "?")
      .trim()

  const bodyOf = (operation: Operation): { readonly type?: string; readonly body?: string } => {
    const [first] = Object.entries(operation.requestBody?.content ?? {})
    if (first === undefined) return {}
    const [type, { schema = {} }] = first
    if (type !== "application/json") return { type, body: "some bytes" }
    const value = valueOf(schema)
    // Nothing is launched: there is no such profile.
    const safe =
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? { ...value, ...unlaunched(operation.operationId) }
        : value
    return { type, body: random() < 0.05 ? "{" : JSON.stringify(safe) }
  }

  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Case => {
      const parameters = operation.parameters ?? []
      const of = (place: Parameter["in"]) =>
        parameters.filter((one) => one.in === place && (place === "path" || random() < 0.6))
      const query = of("query").map(
        ({ name, schema }) => `${name}=${encodeURIComponent(wellFormed(textOf(schema)))}`
      )
      const filled = of("path").reduce(
        (text, { name, schema }) =>
          text.replace(`{${name}}`, encodeURIComponent(wellFormed(pathText(textOf(schema))))),
        path
      )
      const { body, type } = bodyOf(operation)
      return {
        name: operation.operationId,
        method: method.toUpperCase(),
        path: query.length === 0 ? filled : `${filled}?${query.join("&")}`,
        headers: {
          ...Object.fromEntries(of("header").map(({ name, schema }) => [name, headerOf(schema)])),
          ...(type === undefined ? {} : { "content-type": type })
        },
        body,
        declared: new Set(Object.keys(operation.responses).map(Number))
      }
    })
  )
}

const wellFormed = (text: string): string => text.replaceAll(/[\uD800-\uDFFF]/g, "?")

/** A segment of a path is short, not empty, and no way up: then it would be a path of no operation. */
const pathText = (text: string): string => (/^[./ ]*$/.test(text) ? "x" : text.slice(0, 80))

/** What keeps an operation from launching an agent. */
const unlaunched = (operation: string): Readonly<Record<string, unknown>> =>
  operation === "agents.launch" || operation === "pools.open"
    ? { profile: "no-such-profile" }
    : operation === "queries.ask"
      ? { agent: { profile: "no-such-profile" } }
      : {}
