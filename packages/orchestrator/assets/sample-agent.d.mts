/** What the sample agent exports for tests; it is a program first. */
export interface Company {
  readonly ticker: string
  readonly name: string
  readonly aliases: ReadonlyArray<string>
  readonly fiscalYearEnds: string
  readonly years: ReadonlyMap<number, { readonly revenue: number; readonly netIncome: number }>
}

export interface Resolved {
  readonly companies: ReadonlyArray<string>
  readonly focus: ReadonlyArray<string>
  readonly metrics: ReadonlyArray<"revenue" | "netIncome" | "margin">
  readonly growth: boolean
  readonly rank: number
  readonly years: ReadonlyArray<number>
  readonly range: boolean
  readonly latest: boolean
}

export interface Turn {
  readonly query: string
  readonly answer: string
  readonly resolved: Resolved
}

/** Throws when the data beside the program cannot be used. */
export declare function loadData(url?: URL): ReadonlyArray<Company>

/** Answers at once; `error` is empty exactly when there is an answer. */
export declare function answer(
  query: string,
  data: ReadonlyArray<Company>,
  turn?: Turn
): { readonly answer: string; readonly error: string; readonly resolved?: Resolved }
