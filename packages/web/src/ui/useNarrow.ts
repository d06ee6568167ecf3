import { useSyncExternalStore } from "react"

const media = matchMedia("(max-width: 760px)")

const subscribe = (listener: () => void) => {
  media.addEventListener("change", listener)
  return () => media.removeEventListener("change", listener)
}

/** Whether the page is as narrow as on a phone. */
export const useNarrow = (): boolean => useSyncExternalStore(subscribe, () => media.matches)
