/** The conformance suite for providers of sandboxes. */
export * as Conformance from "./Conformance.ts"
