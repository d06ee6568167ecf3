import { useEffect, useRef, useState } from "react"

const workers = 3

/**
 * Looks at one thing after another, round after round, a few at a time, while the tab is visible. Returns what was found
 * last for each. A look that fails leaves what was found before.
 */
export const useRounds = <A>(
  ids: ReadonlyArray<string>,
  every: number,
  look: (id: string, signal: AbortSignal) => Promise<A>
): ReadonlyMap<string, A> => {
  const [found, setFound] = useState<ReadonlyMap<string, A>>(new Map())
  const current = useRef({ ids, look })
  useEffect(() => {
    current.current = { ids, look }
  })
  const some = ids.length > 0

  useEffect(() => {
    if (!some) return
    const controller = new AbortController()
    const { signal } = controller
    let timer: ReturnType<typeof setTimeout> | undefined

    const round = async () => {
      const results = new Map<string, A>()
      const left = document.hidden ? [] : [...current.current.ids]
      const work = async () => {
        for (let id = left.shift(); id !== undefined && !signal.aborted; id = left.shift()) {
          try {
            results.set(id, await current.current.look(id, signal))
          } catch {
            // The connection says when the server does not answer.
          }
        }
      }
      await Promise.all(Array.from({ length: workers }, work))
      if (signal.aborted) return
      if (results.size > 0) setFound((before) => new Map([...before, ...results]))
      timer = setTimeout(() => void round(), every)
    }
    void round()
    return () => {
      controller.abort()
      clearTimeout(timer)
    }
  }, [every, some])

  return found
}
