/**
 * Fakes and conformance suites, for tests of your own programs and providers.
 *
 * @since 0.2.0
 */
export { DeliveriesConformance, GitHubMemory } from "@remote-agent/github/testing"
export { Conformance as SandboxConformance, MemorySandboxes } from "@remote-agent/sandbox"
