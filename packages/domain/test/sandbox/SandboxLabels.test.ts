import { assert, describe, it } from "@effect/vitest"
import { Id, SandboxLabels } from "@remote-agent/domain"
import { Effect, Option, Schema } from "effect"

const Labels = Schema.Struct({ owner: Schema.String, agentId: Id.AgentId, attemptId: Id.AttemptId })

describe("SandboxLabels.read", () => {
  it.effect.prop(
    "reads what was written, beside any other metadata",
    [Labels, Schema.String],
    ([labels, more]) =>
      Effect.sync(() => {
        const metadata = {
          more,
          [SandboxLabels.ownerKey]: labels.owner,
          [SandboxLabels.agentKey]: labels.agentId,
          [SandboxLabels.attemptKey]: labels.attemptId
        }
        assert.deepStrictEqual(Option.getOrThrow(SandboxLabels.read(metadata)), labels)
      })
  )

  it.effect.prop(
    "returns None when a label is missing or malformed",
    [Labels, Schema.String, Schema.Literals([SandboxLabels.agentKey, SandboxLabels.attemptKey])],
    ([labels, wrong, key]) =>
      Effect.sync(() => {
        const metadata: Record<string, string> = {
          [SandboxLabels.ownerKey]: labels.owner,
          [SandboxLabels.agentKey]: labels.agentId,
          [SandboxLabels.attemptKey]: labels.attemptId,
          [key]: wrong
        }
        assert.isTrue(Option.isNone(SandboxLabels.read(metadata)))
        const { [SandboxLabels.ownerKey]: _, ...rest } = metadata
        assert.isTrue(Option.isNone(SandboxLabels.read(rest)))
      })
  )
})
