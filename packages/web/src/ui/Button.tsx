/** Buttons, and links that look like them. */
import type { ComponentProps, ReactNode } from "react"
import { Icon, type IconName } from "./icons.tsx"

interface ButtonProps extends Omit<ComponentProps<"button">, "className"> {
  readonly look?: "plain" | "primary" | "danger" | "quiet"
  readonly icon?: IconName
  /** Whether its work is under way. A busy button does nothing. */
  readonly busy?: boolean
  readonly children?: ReactNode
  /** Shows only the icon; the label is for screen readers. */
  readonly label?: string
}

export const Button = ({
  busy = false,
  children,
  icon,
  label,
  look = "plain",
  onClick,
  type = "button",
  ...rest
}: ButtonProps) => (
  <button
    {...rest}
    type={type}
    className={`button button-${look}${label === undefined ? "" : " button-icon"}`}
    aria-busy={busy}
    aria-disabled={busy || rest["aria-disabled"]}
    aria-label={label}
    title={label ?? rest.title}
    onClick={(event) => (busy ? event.preventDefault() : onClick?.(event))}
  >
    {icon === undefined ? null : <Icon name={icon} size={16} />}
    {children}
  </button>
)
