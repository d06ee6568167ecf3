import { type Layer, Logger } from "effect"

/** How lines of the log look. */
export type Format = "auto" | "human" | "json"

/** The log as lines: for people, or one JSON document each. `auto` is for people where the lines go to a terminal. */
export const layer = (
  format: Format,
  toTerminal: boolean,
  write: (line: string) => void
): Layer.Layer<never> => {
  const human = format === "human" || (format === "auto" && toTerminal)
  return Logger.layer([Logger.map(human ? Logger.formatSimple : Logger.formatJson, write)])
}
