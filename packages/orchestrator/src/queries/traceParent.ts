import { Query } from "@remote-agent/domain"
import { Effect, Option, Schema, type Tracer } from "effect"
import { Headers } from "effect/http"
import * as HttpTraceContext from "effect/http/HttpTraceContext"

const isPlace = Schema.is(Query.TracePlace)

const originOf = (place: Query.TracePlace | undefined): Option.Option<Tracer.ExternalSpan> =>
  place === undefined ? Option.none() : HttpTraceContext.w3c(Headers.fromInput({ traceparent: place }))

const callerSpan = Effect.option(Effect.currentParentSpan)

/** The span of the caller, as a query records it; `undefined` when no tracer gives it an id. */
export const here: Effect.Effect<Query.TracePlace | undefined> = Effect.map(callerSpan, (caller) => {
  if (Option.isNone(caller)) return undefined
  const { sampled, spanId, traceId } = caller.value
  const place = `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
  return isPlace(place) ? place : undefined
})

/**
 * The options of a span for work on a query, so that a query has one trace over all processes. A caller in another
 * trace continues in that of the query, and both spans are linked. A caller in the same trace stays where it is.
 */
export const within = (
  place: Query.TracePlace | undefined,
  options: Tracer.SpanOptionsNoTrace
): Effect.Effect<Tracer.SpanOptionsNoTrace> =>
  Effect.map(callerSpan, (caller) => {
    const origin = originOf(place)
    if (Option.isNone(origin)) return options
    if (Option.isNone(caller)) return { ...options, parent: origin.value }
    if (caller.value.traceId === origin.value.traceId) return options
    if (caller.value._tag === "Span") caller.value.addLinks([{ span: origin.value, attributes: {} }])
    return { ...options, parent: origin.value, links: [{ span: caller.value, attributes: {} }] }
  })
