import { cloneElement, type ReactElement, useId } from "react"

interface FieldProps {
  readonly label: string
  readonly hint?: string
  readonly children: ReactElement<{ id?: string; "aria-describedby"?: string | undefined }>
}

/** An input with its label and a hint. */
export const Field = ({ children, hint, label }: FieldProps) => {
  const [id, note] = [useId(), useId()]
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {cloneElement(children, { id, "aria-describedby": hint === undefined ? undefined : note })}
      {hint === undefined ? null : (
        <span className="hint" id={note}>
          {hint}
        </span>
      )}
    </div>
  )
}
