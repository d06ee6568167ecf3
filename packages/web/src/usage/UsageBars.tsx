/** Groups by what they used, each with a bar beside its figures. */
import { count, dollars, duration } from "../ui/text/format.ts"
import { type Group, ranked, tokensOf } from "./usageFigures.ts"

interface UsageBarsProps {
  readonly title: string
  readonly note?: string
  readonly groups: ReadonlyArray<Group>
}

const mostShown = 12

export const UsageBars = ({ groups, note, title }: UsageBarsProps) => {
  const rows = ranked(groups)
  const priced = rows.some(({ usage }) => (usage.costUsd ?? 0) > 0)
  const measure = (group: Group) => (priced ? (group.usage.costUsd ?? 0) : tokensOf(group))
  const most = Math.max(1e-9, ...rows.map(measure))
  return (
    <section className="card">
      <h2>{title}</h2>
      {note === undefined ? null : <p className="muted">{note}</p>}
      {rows.length === 0 ? (
        <p className="muted">Nothing was used in this time.</p>
      ) : (
        <table className="bars">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Cost</th>
              <th scope="col">Tokens</th>
              <th scope="col">Queries</th>
              <th scope="col">Time</th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, mostShown).map((group) => (
              <tr key={group.key ?? "none"}>
                <th scope="row">
                  <span className="bar-name">{group.name ?? group.key ?? "none"}</span>
                  <progress className="bar" max={most} value={measure(group)} aria-hidden="true" />
                </th>
                <td className="number">{dollars(group.usage.costUsd)}</td>
                <td className="number">{count(tokensOf(group))}</td>
                <td className="number">{count(group.queries)}</td>
                <td className="number">{duration(group.usage.wallMillis)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {rows.length > mostShown ? <p className="muted">and {rows.length - mostShown} more</p> : null}
    </section>
  )
}
