/**
 * Runs a command and writes its standard output as lines of base64, each as soon as it is read. A sandbox reports output
 * as text, in which bytes that are not UTF-8 are lost.
 *
 * Without `base64` and `dd` in the sandbox the command runs as it is, and its output does not begin with the marker.
 */
const script = `encode() {
  while chunk=$(dd bs=49152 count=1 2>/dev/null | base64 | tr -d '\\n'); [ -n "$chunk" ]; do
    printf '%s\\n' "$chunk"
  done
}
for tool in base64 dd tr; do command -v "$tool" >/dev/null || exec "$@"; done
printf 'base64\\n'
exec 3>&1
code=$({ { "$@" 3>&- 4>&-; printf %s "$?" >&4; } | encode >&3 4>&-; } 4>&1)
exit "$code"`

const marker = "base64"

/** The command that runs another one with its output encoded. The exit code is that of the other one. */
export const encoded = (
  argv: readonly [string, ...ReadonlyArray<string>]
): readonly [string, ...ReadonlyArray<string>] => ["sh", "-c", script, "sh", ...argv]

/** Decodes the output of {@link encoded}. The text may arrive in any pieces; every call returns the bytes that are complete. */
export const makeDecoder = (): ((text: string) => Uint8Array) => {
  let pending = ""
  let isEncoded: boolean | undefined
  return (text) => {
    if (isEncoded === false) return Buffer.from(text)
    pending += text
    if (isEncoded === undefined) {
      const expected = `${marker}\n`
      if (pending.length < expected.length && expected.startsWith(pending)) return new Uint8Array()
      isEncoded = pending.startsWith(expected)
      if (!isEncoded) return Buffer.from(pending)
      pending = pending.slice(expected.length)
    }
    if (!text.includes("\n")) return new Uint8Array()
    const end = pending.lastIndexOf("\n") + 1
    const lines = pending.slice(0, end).split("\n")
    pending = pending.slice(end)
    return Buffer.concat(lines.map((line) => Buffer.from(line, "base64")))
  }
}
