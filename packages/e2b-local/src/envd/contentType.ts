/**
 * The content type of a download, found as Go's `http.ServeContent` finds it: by the extension, otherwise by the first
 * bytes. envd uses it, so clients see the same types.
 *
 * @since 0.1.0
 */
import * as Path from "node:path/posix"

const byExtension: Readonly<Record<string, string>> = {
  ".avif": "image/avif",
  ".css": "text/css; charset=utf-8",
  ".gif": "image/gif",
  ".htm": "text/html; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".mjs": "text/javascript; charset=utf-8",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".webp": "image/webp",
  ".xml": "text/xml; charset=utf-8"
}

/** The type of a file name. Undefined when only the content can tell. */
export const ofName = (path: string): string | undefined => byExtension[Path.extname(path).toLowerCase()]

/** Number of bytes that {@link ofBytes} looks at. */
export const SNIFFED_BYTES = 512

// A type and the bytes that a file of it starts with, in hex; a dot is any digit.
const signatures: ReadonlyArray<readonly [string, RegExp]> = [
  ["text/plain; charset=utf-16be", /^feff/],
  ["text/plain; charset=utf-16le", /^fffe/],
  ["text/plain; charset=utf-8", /^efbbbf/],
  ["application/pdf", /^255044462d/],
  ["application/postscript", /^252150532d41646f62652d/],
  ["image/x-icon", /^0000010000|^00000[12]00/],
  ["image/bmp", /^424d/],
  ["image/gif", /^474946383[79]61/],
  ["image/webp", /^52494646.{8}574542505650/],
  ["image/png", /^89504e470d0a1a0a/],
  ["image/jpeg", /^ffd8ff/],
  ["audio/aiff", /^464f524d.{8}41494646/],
  ["audio/mpeg", /^494433/],
  ["application/ogg", /^4f67675300/],
  ["audio/midi", /^4d54686400000006/],
  ["video/avi", /^52494646.{8}41564920/],
  ["audio/wave", /^52494646.{8}57415645/],
  ["video/mp4", /^.{8}66747970(6d7034|.{8}.{8}(.{8})*6d7034)/],
  ["video/webm", /^1a45dfa3/],
  ["font/ttf", /^00010000/],
  ["font/otf", /^4f54544f/],
  ["font/collection", /^74746366/],
  ["font/woff2", /^774f4632/],
  ["font/woff", /^774f4646/],
  ["application/x-gzip", /^1f8b08/],
  ["application/zip", /^504b0304/],
  ["application/x-rar-compressed", /^526172211a07(00|0100)/],
  ["application/wasm", /^0061736d/]
]

const html =
  /^(<!DOCTYPE HTML|<HTML|<HEAD|<SCRIPT|<IFRAME|<H1|<DIV|<FONT|<TABLE|<A|<STYLE|<TITLE|<B|<BODY|<BR|<P)[ >]|^<!--/i

const hasBinaryByte = (bytes: Buffer): boolean =>
  bytes.some(
    (byte) =>
      byte <= 0x08 || byte === 0x0b || (byte >= 0x0e && byte <= 0x1a) || (byte >= 0x1c && byte <= 0x1f)
  )

/** The type of a file from its first bytes. */
export const ofBytes = (bytes: Uint8Array): string => {
  const head = Buffer.from(bytes.subarray(0, SNIFFED_BYTES))
  const text = head.toString("latin1").replace(/^[\t\n\f\r ]+/, "")
  if (html.test(text)) return "text/html; charset=utf-8"
  if (text.startsWith("<?xml")) return "text/xml; charset=utf-8"
  const hex = head.toString("hex")
  const found = signatures.find(([, signature]) => signature.test(hex))
  if (found !== undefined) return found[0]
  return hasBinaryByte(head) ? "application/octet-stream" : "text/plain; charset=utf-8"
}
