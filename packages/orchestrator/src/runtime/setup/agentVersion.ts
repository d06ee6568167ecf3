import type { Profile } from "@remote-agent/domain"
import { Result, SemVer } from "effect"

type Wanted = Pick<Profile.Tool, "min" | "exact">

/** A version with up to three numbers; those that are left out are 0. */
const semVer = (version: string) => {
  const [major = "0", minor = "0", patch = "0"] = version.split(".")
  return SemVer.parse([major, minor, patch].map((part) => String(Number(part))).join("."))
}

const atLeast = (version: string, min: string): boolean => {
  const [found, wanted] = [semVer(version), semVer(min)]
  return (
    Result.isSuccess(found) &&
    Result.isSuccess(wanted) &&
    SemVer.isGreaterThanOrEqualTo(found.success, wanted.success)
  )
}

/** Whether the first version in the output of a program is one that the profile accepts. */
export const suits = (printed: string, { exact, min }: Wanted): boolean => {
  if (exact === undefined && min === undefined) return true
  const [, version] = /(?:^|[^\d.])(\d{1,9}\.\d{1,9}(?:\.\d{1,9})?)/.exec(printed) ?? []
  if (version === undefined) return false
  return (exact === undefined || version === exact) && (min === undefined || atLeast(version, min))
}

/** The wanted version as text. Empty when any version will do. */
export const needed = ({ exact, min }: Wanted): string =>
  exact ?? (min === undefined ? "" : `${min} or newer`)
