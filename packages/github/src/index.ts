export * as Deliveries from "./Deliveries.ts"
export * as DeliveriesConformance from "./DeliveriesConformance.ts"
