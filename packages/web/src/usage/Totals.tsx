import { count, dollars, duration, exact } from "../ui/text/format.ts"
import { type Group, tokensOf } from "./usageFigures.ts"

/** The sums of a time, in large figures. */
export const Totals = ({ total }: { readonly total: Group }) => (
  <dl className="totals">
    <div>
      <dt>Cost</dt>
      <dd>{dollars(total.usage.costUsd)}</dd>
      <dd className="muted">
        {total.usage.costUsd === undefined ? "no agent reported a cost" : "as reported or priced"}
      </dd>
    </div>
    <div>
      <dt>Tokens</dt>
      <dd>{count(tokensOf(total))}</dd>
      <dd className="muted">
        {count(total.usage.inputTokens)} in, {count(total.usage.outputTokens)} out
      </dd>
    </div>
    <div>
      <dt>Queries</dt>
      <dd>{exact(total.queries)}</dd>
      <dd className="muted">that ended</dd>
    </div>
    <div>
      <dt>Agent time</dt>
      <dd>{duration(total.usage.wallMillis)}</dd>
      <dd className="muted">spent on queries</dd>
    </div>
  </dl>
)
