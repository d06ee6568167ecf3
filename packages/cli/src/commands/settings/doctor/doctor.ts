import { Effect } from "effect"
import type * as App from "../../../app/App.ts"
import * as DoctorChecks from "./DoctorChecks.ts"
import { Ended, exitCode, type Run } from "../../../ui/Failure.ts"
import { dim, green, line, type Output, red, Screen } from "../../../ui/Screen.ts"

/** The flags of `doctor`. */
export interface DoctorFlags extends App.AppFlags {
  readonly json: boolean
}

const mark = (output: Output, status: DoctorChecks.Status): string => {
  switch (status) {
    case "ok":
      return green(output, "ok     ")
    case "failed":
      return red(output, "FAILED ")
    case "warning":
      return "warning"
    case "skipped":
      return dim(output, "skipped")
  }
}

const toText = (output: Output, { detail, name, status, todo }: DoctorChecks.Check): string =>
  [
    `${mark(output, status)}  ${name}: ${detail}`,
    ...(todo?.split("\n").map((text) => `         ${text}`) ?? [])
  ].join("\n")

/** Checks everything that agents need, all at once. Ends with 1 when something needed fails. */
export const run = Effect.fn("doctor")(function* ({ json, ...flags }: DoctorFlags): Run {
  const { out } = yield* Screen
  const checks = (yield* Effect.all(DoctorChecks.all(flags), { concurrency: 4 })).flat()
  const healthy = checks.every(({ status }) => status !== "failed")
  yield* line(
    out,
    json ? JSON.stringify({ healthy, checks }) : checks.map((check) => toText(out, check)).join("\n")
  )
  if (!healthy) return yield* new Ended({ code: exitCode.failed })
})
