import { useSyncExternalStore } from "react"

const subscribe = (listener: () => void) => {
  document.addEventListener("visibilitychange", listener)
  return () => document.removeEventListener("visibilitychange", listener)
}

/** Whether the tab is visible. Tabs in the background hold no streams open: a browser allows six per server. */
export const useVisible = (): boolean => useSyncExternalStore(subscribe, () => !document.hidden)
