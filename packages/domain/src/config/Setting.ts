/** One setting: how its text is decoded, its default, and how it is explained to people. */
import { Array as Arr, Config, Duration, type Effect, Option, Redacted, Schema } from "effect"

/**
 * One setting of the configuration.
 *
 * @category models
 * @since 0.1.0
 */
export interface Setting<A> {
  /** Decodes the text of the setting. Returns `None` when the text is not valid. */
  readonly decode: (text: string) => Option.Option<A>
  /** The value when the setting is not set. */
  readonly fallback: A
  /** Generates the value of each run when the setting is not set, where no constant default is right. */
  readonly generate?: Effect.Effect<A>
  /** Describes a valid value. */
  readonly expected: string
  readonly describe: string
  /** Whether the value must never be shown. */
  readonly secret: boolean
  /** Absent: a file that came with a folder may set it. See {@link privileged}. */
  readonly privilege?: Privilege<A>
}

/**
 * The values of a setting that a file which came with a folder may not set on its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Privilege<A> {
  /** In the table of the settings: `yes`, or the values that need trust. */
  readonly describe: string
  /** What of a value needs trust: the whole setting, or some parts of it by their names. */
  of(value: A): boolean | ReadonlyArray<string>
}

/**
 * A setting that only the user may set: by a flag, in the environment, or in the user's own configuration.
 *
 * **When to use**
 *
 * Use for every setting that waives isolation, names a program, an address that gets a key, a place that is written to,
 * or an owner of sandboxes. A file that came with a folder sets it only after the user trusted that file.
 *
 * @category constructors
 * @since 0.1.0
 */
export const privileged = <A>(
  setting: Setting<A>,
  privilege: Privilege<A> = { describe: "yes", of: () => true }
): Setting<A> => ({ ...setting, privilege })

/**
 * The `Config` that reads the text of a variable. The result is `None` when it is not set or blank: that is what `KEY=`
 * in a `.env` file means.
 *
 * @category decoding
 * @since 0.1.0
 */
export const text = (name: string): Config.Config<Option.Option<string>> =>
  Config.map(
    Config.option(Config.String(name)),
    Option.filter((value) => value.trim() !== "")
  )

/**
 * A public setting with a default.
 *
 * @category constructors
 * @since 0.1.0
 */
export const withDefault = <A>(
  decode: (text: string) => Option.Option<A>,
  options: { readonly fallback: NoInfer<A>; readonly expected: string; readonly describe: string }
): Setting<A> => ({ ...options, decode, secret: false })

// A key that was pasted with a line break or a blank would fail at the provider, far from its cause.
const decodeKey = Schema.decodeUnknownOption(Schema.String.check(Schema.isPattern(/^[\x21-\x7e]+$/)))

/**
 * A secret key.
 *
 * @category constructors
 * @since 0.1.0
 */
export const key = (describe: string): Setting<Redacted.Redacted | undefined> => ({
  describe,
  decode: (value) => Option.map(decodeKey(value), (decoded) => Redacted.make(decoded)),
  fallback: undefined,
  expected: "a key without blanks or line breaks",
  secret: true
})

const words = (value: string): Arr.NonEmptyReadonlyArray<string> => {
  const [first = "", ...rest] = value.split(/\s+/)
  return [first, ...rest]
}

/**
 * One or more secret keys, separated by blanks, so that a key can be rotated.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keys = (
  describe: string
): Setting<Arr.NonEmptyReadonlyArray<Redacted.Redacted> | undefined> => ({
  describe,
  decode: (value) =>
    Option.map(Option.all(Arr.map(words(value), (word) => decodeKey(word))), (all) =>
      Arr.map(all, (decoded) => Redacted.make(decoded))
    ),
  fallback: undefined,
  expected: "a secret without blanks, or several with blanks between them",
  secret: true
})

const pem = /^-----BEGIN ((?:RSA )?PRIVATE KEY)-----\s[A-Za-z0-9+/=\s]+\s-----END \1-----$/

const decodeBase64 = Schema.decodeUnknownOption(Schema.StringFromBase64)

/**
 * A private key: the text of a .pem file with real line breaks or with `\n`, or the whole file in Base64.
 *
 * @category constructors
 * @since 0.1.0
 */
export const privateKey = (describe: string): Setting<Redacted.Redacted | undefined> => ({
  describe,
  decode: (value) => {
    const plain = value.startsWith("-----") ? Option.some(value) : decodeBase64(value)
    return Option.map(
      Option.filter(
        Option.map(plain, (found) => found.replaceAll("\\n", "\n").trim()),
        (found) => pem.test(found)
      ),
      (found) => Redacted.make(found)
    )
  },
  fallback: undefined,
  expected: "the text of a .pem file, with its line breaks or `\\n` for each, or all of it in base64",
  secret: true
})

/** Decodes any text that is not empty. */
export const decodeText = Schema.decodeUnknownOption(Schema.NonEmptyString)

/**
 * A text without a default.
 *
 * @category constructors
 * @since 0.1.0
 */
export const optionalText = (describe: string, expected: string): Setting<string | undefined> => ({
  decode: decodeText,
  fallback: undefined,
  expected,
  describe,
  secret: false
})

const decodeUrl = Schema.decodeUnknownOption(Schema.URLFromString)

/**
 * Tells whether a key may be sent to an address: over HTTPS, or to this machine.
 *
 * @category predicates
 * @since 0.1.0
 */
export const protectsKeys = ({ hostname, protocol }: URL): boolean =>
  protocol === "https:" ||
  (protocol === "http:" && /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname))

const address = (
  describe: string,
  isValid: (url: URL) => boolean,
  expected: string
): Setting<string | undefined> =>
  privileged({
    decode: (value) => Option.map(Option.filter(decodeUrl(value), isValid), () => value.replace(/\/+$/, "")),
    fallback: undefined,
    expected,
    describe,
    secret: false
  })

/**
 * The address of an HTTP server, without a slash at its end. It is privileged.
 *
 * @category constructors
 * @since 0.1.0
 */
export const url = (describe: string): Setting<string | undefined> =>
  address(
    describe,
    ({ protocol }) => protocol === "http:" || protocol === "https:",
    "an address such as https://api.example.com"
  )

/**
 * The address of an HTTP server that gets a key: HTTPS, except on this machine. It is privileged.
 *
 * @category constructors
 * @since 0.1.0
 */
export const urlForKeys = (describe: string): Setting<string | undefined> =>
  address(
    describe,
    protectsKeys,
    "an address such as https://api.example.com (http:// only for this machine)"
  )

const wholeNumber = (minimum: number, maximum: number) =>
  Schema.decodeUnknownOption(
    Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum }))
  )

/**
 * A positive whole number without a default.
 *
 * @category constructors
 * @since 0.1.0
 */
export const optionalNumber = (describe: string): Setting<number | undefined> => ({
  decode: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  fallback: undefined,
  expected: "a whole number from 1 up",
  describe,
  secret: false
})

/**
 * A whole number within bounds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const whole = (minimum: number, maximum: number, fallback: number, describe: string) =>
  withDefault(wholeNumber(minimum, maximum), {
    fallback,
    expected: `a whole number from ${minimum} to ${maximum}`,
    describe
  })

/**
 * A duration in whole seconds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const seconds = (maximum: number, fallback: number, describe: string): Setting<Duration.Duration> => {
  const decode = wholeNumber(1, maximum)
  return withDefault((value) => Option.map(decode(value), Duration.seconds), {
    describe,
    fallback: Duration.seconds(fallback),
    expected: `a whole number of seconds from 1 to ${maximum}`
  })
}

const on: ReadonlySet<string> = new Set(["true", "1", "yes", "on"])
const off: ReadonlySet<string> = new Set(["false", "0", "no", "off"])

const decodeSwitch = (value: string): Option.Option<boolean> => {
  const word = value.toLowerCase()
  return on.has(word) ? Option.some(true) : off.has(word) ? Option.some(false) : Option.none()
}

/**
 * Tells whether a text switches something on.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isOn = (value: string): boolean => Option.getOrElse(decodeSwitch(value), () => false)

/**
 * A switch.
 *
 * @category constructors
 * @since 0.1.0
 */
export const onOff = (fallback: boolean, describe: string): Setting<boolean> =>
  withDefault(decodeSwitch, { fallback, expected: "true or false", describe })

/**
 * One of several words.
 *
 * @category constructors
 * @since 0.1.0
 */
export const oneOf = <const L extends ReadonlyArray<string>>(
  literals: L,
  fallback: L[number],
  describe: string
): Setting<L[number]> =>
  withDefault(Schema.decodeUnknownOption(Schema.Literals(literals)), {
    fallback,
    expected: literals.join(", "),
    describe
  })
