import { Effect, Schema } from "effect"
import { BenchBroken } from "./Report.ts"

/** A question and the figure that its answer must contain. */
export interface Question {
  readonly text: string
  readonly figure: string
}

const Figures = Schema.Struct({ revenue: Schema.Finite, netIncome: Schema.Finite })

const Data = Schema.fromJsonString(
  Schema.Struct({
    companies: Schema.Array(
      Schema.Struct({ name: Schema.String, years: Schema.Record(Schema.String, Figures) })
    )
  })
)

const metrics = { revenue: "revenue", netIncome: "net income" } as const

/** The given number of questions, each about one figure in the data of the sample agent. */
export const make = Effect.fnUntraced(function* (fundamentals: string, count: number) {
  const { companies } = yield* Effect.mapError(
    Schema.decodeEffect(Data)(fundamentals),
    () => new BenchBroken({ benchmark: "pool", detail: "the data of the sample agent cannot be read" })
  )
  const all = companies.flatMap(({ name, years }) =>
    Object.entries(years).flatMap(([year, figures]) =>
      (["revenue", "netIncome"] as const).map((metric) => ({
        text: `What was the ${metrics[metric]} of ${name} in ${year}?`,
        figure: `$${Math.abs(figures[metric]).toLocaleString("en-US")} million`
      }))
    )
  )
  return Array.from({ length: count }, (_, index) => all[index % all.length]).filter(
    (one) => one !== undefined
  )
})
