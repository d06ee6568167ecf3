/** The filters of the fleet: a button with a count for each state, and profile, label and search. */
import type { RefObject } from "react"
import { Icon } from "../ui/icons.tsx"
import { type State, stateNames, states } from "./AgentState.ts"
import type { choicesOf, FleetFilter } from "./Fleet.ts"

interface FleetFiltersProps {
  readonly filter: FleetFilter
  readonly counts: ReadonlyMap<State, number>
  readonly choices: ReturnType<typeof choicesOf>
  readonly search: RefObject<HTMLInputElement | null>
  readonly onChange: (filter: FleetFilter) => void
}

const toggled = (all: ReadonlySet<State>, state: State): ReadonlySet<State> => {
  const next = new Set(all)
  if (!next.delete(state)) next.add(state)
  return next
}

/** States that come and go have a button only while an agent has them, or while they are asked for. */
const always: ReadonlySet<State> = new Set(["working", "idle", "asleep", "attention", "lost", "unreachable"])

const Choice = ({
  label,
  onChange,
  options,
  value
}: {
  readonly label: string
  readonly value: string
  readonly options: ReadonlyArray<string>
  readonly onChange: (value: string) => void
}) => (
  <label className="choice">
    <span className="visually-hidden">{label}</span>
    <select value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="">Any {label.toLowerCase()}</option>
      {[...new Set([...options, ...(value === "" ? [] : [value])])].map((option) => (
        <option key={option} value={option}>
          {option}
        </option>
      ))}
    </select>
    <Icon name="down" size={14} />
  </label>
)

export const FleetFilters = ({ choices, counts, filter, onChange, search }: FleetFiltersProps) => (
  <search className="filters">
    <div className="tiles" role="group" aria-label="States">
      {states
        .filter((state) => always.has(state) || state === "ended" || (counts.get(state) ?? 0) > 0)
        .map((state) => (
          <button
            key={state}
            type="button"
            className={`tile state-${state}${(counts.get(state) ?? 0) === 0 ? " tile-none" : ""}`}
            aria-pressed={filter.states.has(state)}
            onClick={() => onChange({ ...filter, states: toggled(filter.states, state) })}
          >
            <span className="tile-count">
              {state === "ended" && !filter.states.has("ended") ? "–" : (counts.get(state) ?? 0)}
            </span>
            <span className="tile-name">
              <span className="state-dot" aria-hidden="true" />
              {stateNames[state]}
            </span>
          </button>
        ))}
    </div>
    <div className="filter-row">
      <label className="search-box">
        <span className="visually-hidden">Search</span>
        <Icon name="search" size={16} />
        <input
          ref={search}
          type="search"
          placeholder="Search names, labels and queries"
          value={filter.search}
          onChange={(event) => onChange({ ...filter, search: event.target.value })}
        />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <Choice
        label="Profile"
        value={filter.profile}
        options={choices.profiles}
        onChange={(profile) => onChange({ ...filter, profile })}
      />
      <Choice
        label="Label"
        value={filter.label}
        options={choices.labels}
        onChange={(label) => onChange({ ...filter, label })}
      />
    </div>
  </search>
)
