import { describe } from "vitest"

declare module "vitest" {
  interface TaskMeta {
    /** Why it is skipped, for the list at the end of a run. */
    reason?: string
  }
}

type Suite = (name: string, options: { readonly meta: { reason: string } }, tests: () => void) => unknown

/** Tests that run where something holds; where it does not they are skipped, for that reason. */
export const describeWhere = (holds: boolean, reason: string) => {
  const suite: Suite = holds ? describe : describe.skip
  return (name: string, tests: () => void): void => void suite(name, { meta: { reason } }, tests)
}
