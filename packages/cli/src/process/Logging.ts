import { type Layer, Logger } from "effect"

/** The format of the log. */
export type Format = "auto" | "human" | "json"

/** Writes the log as lines: for people, or as one JSON document each. `auto` is for people on a terminal. */
export const layer = (
  format: Format,
  toTerminal: boolean,
  write: (line: string) => void
): Layer.Layer<never> => {
  const human = format === "human" || (format === "auto" && toTerminal)
  return Logger.layer([Logger.map(human ? Logger.formatSimple : Logger.formatJson, write)])
}
