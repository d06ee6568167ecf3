/** Text that is safe to print on a terminal. */

/** The control characters that a sequence with a payload must not contain: all except the tab. */
const control = String.raw`\u0000-\u0008\u000A-\u001F\u007F-\u009F`

/**
 * Everything that a terminal acts on. The alternatives are tried in this order:
 *
 * 1. A control string (OSC, DCS, SOS, PM, APC) with its payload, such as a title or the clipboard, and its terminator. It
 *    ends at BEL or ST, and on the same line: the payload of an unterminated one is kept as text.
 * 2. A control sequence (CSI), such as a colour or a cursor movement.
 * 3. Any other escape sequence, or a lone escape character.
 * 4. Any other control character (C0, DEL, C1), except line breaks and tabs.
 *
 * Each introducer has a 7-bit form (ESC and a letter) and an 8-bit form (one C1 character). A payload contains no control
 * character, so no part of a text is scanned more than twice.
 */
const sequences = new RegExp(
  [
    String.raw`(?:\u001B[\]PX^_]|[\u0090\u0098\u009D-\u009F])[^${control}]*(?:\u0007|\u001B\\|\u009C)`,
    String.raw`(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]`,
    String.raw`\u001B[ -/]*[0-~]?`,
    String.raw`[\u0000-\u0008\u000B-\u001F\u007F-\u009F]`
  ].join("|"),
  "g"
)

/**
 * Removes everything that a terminal would act on, and nothing else.
 *
 * **When to use**
 *
 * Use for every text from an agent, a sandbox, a provider or GitHub before it is printed. Otherwise such a text could
 * change the title, write to the clipboard, or hide what was printed before.
 *
 * **Details**
 *
 * Line breaks and tabs stay. A carriage return is removed, because it lets a line overwrite itself.
 *
 * **Example** (Stripping an answer)
 *
 * ```ts
 * import { TerminalText } from "@remote-agent/domain"
 *
 * TerminalText.strip("\u001B]0;title\u0007\u001B[31mred\u001B[0m") // "red"
 * ```
 *
 * @category sanitizing
 * @since 0.1.0
 */
export const strip = (text: string): string => text.replaceAll(sequences, "")
