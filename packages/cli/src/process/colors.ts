type Environment = Readonly<Record<string, string | undefined>>

/** A variable that is set to something else than `0`, `false` or nothing. */
const isOn = (value: string | undefined): boolean =>
  value !== undefined && !["", "0", "false"].includes(value.toLowerCase())

/**
 * Whether an output gets colours.
 *
 * **Details**
 *
 * `NO_COLOR` (any text but an empty one) turns them off. `FORCE_COLOR` and `CLICOLOR_FORCE` turn them on, also in a pipe;
 * `FORCE_COLOR=0` and `CLICOLOR=0` turn them off. Otherwise a terminal that is not `dumb` gets them.
 */
export const wanted = (env: Environment, isTerminal: boolean): boolean => {
  if ((env["NO_COLOR"] ?? "") !== "") return false
  if (isOn(env["FORCE_COLOR"]) || isOn(env["CLICOLOR_FORCE"])) return true
  if (["0", "false"].includes(env["FORCE_COLOR"] ?? "") || env["CLICOLOR"] === "0") return false
  return isTerminal && env["TERM"] !== "dumb"
}
