/** The certificates that are trusted when the settings name files with certificates. */
import { Effect } from "effect"
import { readFile } from "node:fs/promises"
import { rootCertificates } from "node:tls"
import type { Network } from "./Network.ts"

/** Where systems keep the certificates that their administrator trusts. */
const systemFiles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem"
]

// By hand: a connection is plain data and its layer requires no platform services.
const read = (file: string) => Effect.tryPromise(() => readFile(file, "utf8"))

const named = (variable: string, file: string) =>
  read(file).pipe(
    Effect.tapError(() => Effect.logWarning(`The file of ${variable} cannot be read and is ignored`)),
    Effect.option
  )

const system = Effect.orElseSucceed(Effect.firstSuccessOf(systemFiles.map((file) => read(file))), () => "")

/**
 * All trusted certificates as PEM; none when the defaults apply. `SSL_CERT_FILE` replaces the defaults, as in OpenSSL,
 * and `NODE_EXTRA_CA_CERTS` adds to them, as in Node.js. A file that cannot be read is ignored with a warning.
 */
export const trusted = Effect.fnUntraced(function* ({ certificates, extraCertificates }: Network) {
  if (certificates === undefined && extraCertificates === undefined) return undefined
  const own = certificates === undefined ? undefined : yield* named("SSL_CERT_FILE", certificates)
  const extra =
    extraCertificates === undefined ? undefined : yield* named("NODE_EXTRA_CA_CERTS", extraCertificates)
  const base = own?._tag === "Some" ? [own.value] : [...rootCertificates, yield* system]
  return [...base, ...(extra?._tag === "Some" ? [extra.value] : [])].join("\n")
})
