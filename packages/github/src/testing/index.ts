/** Fakes and conformance suites for tests. @since 0.1.0 */
export * as DeliveriesConformance from "./DeliveriesConformance.ts"
export * as GitHubMemory from "./GitHubMemory.ts"
