import { useEffect, useReducer, useRef } from "react"
import { useSession } from "../session/Session.tsx"
import { useVisible } from "../ui/useVisible.ts"
import { EventLog } from "./EventLog.ts"
import { follow, type FollowState } from "./follow.ts"

/** A log that is read, and how that goes. */
export interface OpenLog {
  readonly log: EventLog
  readonly state: FollowState
}

interface Following {
  readonly log: EventLog
  state: FollowState
  controller: AbortController | undefined
}

/** The logs of a few queries, followed to their ends while the tab is visible. */
export const useLogs = (ids: ReadonlyArray<string>): ReadonlyMap<string, OpenLog> => {
  const { api } = useSession()
  const visible = useVisible()
  const [, changed] = useReducer((version: number) => version + 1, 0)
  const all = useRef(new Map<string, Following>())
  const wanted = visible ? ids.join() : ""

  useEffect(() => {
    const now = new Set(wanted.split(",").filter(Boolean))
    for (const [id, following] of all.current) {
      if (now.has(id)) continue
      following.controller?.abort()
      following.controller = undefined
    }
    for (const id of now) {
      const following = all.current.get(id) ?? {
        log: new EventLog(),
        state: "reading",
        controller: undefined
      }
      if (!all.current.has(id)) {
        all.current.set(id, following)
        following.log.subscribe(changed)
      }
      if (following.controller !== undefined || following.state === "ended") continue
      const controller = new AbortController()
      following.controller = controller
      void follow(api, id, following.log, controller.signal, (state) => {
        following.state = state
        changed()
      })
    }
  }, [api, wanted])

  useEffect(() => {
    const { current } = all
    return () => {
      for (const following of current.values()) following.controller?.abort()
      current.clear()
    }
  }, [])

  return all.current
}
