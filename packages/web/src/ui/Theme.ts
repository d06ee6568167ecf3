/** Light, dark, or as the system has it. */
import { useSyncExternalStore } from "react"

export const themes = ["auto", "light", "dark"] as const
export type Theme = (typeof themes)[number]

const name = "remote-agent-theme"
const listeners = new Set<() => void>()

const saved = (): Theme => {
  try {
    return themes.find((theme) => theme === localStorage.getItem(name)) ?? "auto"
  } catch {
    return "auto"
  }
}

let current = saved()

/** Shows the page in the chosen theme. */
export const applyTheme = (theme: Theme = current): void => {
  current = theme
  document.documentElement.dataset["theme"] = theme
  try {
    localStorage.setItem(name, theme)
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  for (const listener of listeners) listener()
}

export const useTheme = (): Theme =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    () => current
  )
