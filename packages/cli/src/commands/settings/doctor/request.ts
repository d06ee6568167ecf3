import { Effect } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"

/** The status and headers that an address answers with; none when it cannot be reached. */
export const request = (address: string, headers: Readonly<Record<string, string>> = {}) =>
  HttpClient.get(address, { headers }).pipe(
    Effect.map(({ headers: answered, status }) => ({ headers: answered, status })),
    Effect.option,
    Effect.provide(FetchHttpClient.layer)
  )
