/**
 * Fakes and conformance suites, for tests of your own programs and providers.
 *
 * @since 0.2.0
 */
export { DeliveriesConformance, GitHubMemory } from "@remote-agent/github/testing"
export { MemorySandboxes } from "@remote-agent/sandbox"
export { Conformance as SandboxConformance } from "@remote-agent/sandbox/testing"
