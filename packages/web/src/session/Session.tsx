/** The session of the page: signed in with a token, or not. */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import {
  createContext,
  type ReactNode,
  use,
  useCallback,
  useMemo,
  useState,
  useSyncExternalStore
} from "react"
import { type ApiSession, openSession } from "./ApiSession.ts"
import type { ConnectionState } from "./Connection.ts"
import { Login } from "./Login.tsx"
import { forgetToken, savedToken, saveToken } from "./Token.ts"

interface SessionValue {
  readonly api: ApiSession
  readonly signOut: () => void
}

const SessionContext = createContext<SessionValue | undefined>(undefined)

/** The session. Only below `SessionProvider`. */
export const useSession = (): SessionValue => {
  const session = use(SessionContext)
  if (session === undefined) throw new Error("There is no session here.")
  return session
}

/** Whether the server answers. */
export const useConnection = (): ConnectionState => {
  const { connection } = useSession().api
  return useSyncExternalStore(connection.subscribe, connection.state)
}

/** Data is read again by the views that show it. A failed read keeps what was read before, and is tried again in time. */
const newClient = () =>
  new QueryClient({
    defaultOptions: {
      queries: { retry: false, networkMode: "always", staleTime: 1000, refetchOnReconnect: true },
      mutations: { retry: false, networkMode: "always" }
    }
  })

/** Shows the page to those who are signed in, and the login to others. */
export const SessionProvider = ({ children }: { readonly children: ReactNode }) => {
  const [token, setToken] = useState(savedToken)
  const [refused, setRefused] = useState(false)

  const signOut = useCallback(() => {
    forgetToken()
    setToken(undefined)
  }, [])
  const onUnauthorized = useCallback(() => {
    setRefused(true)
    signOut()
  }, [signOut])
  const session = useMemo(
    () =>
      token === undefined ? undefined : { api: openSession(token, onUnauthorized), client: newClient() },
    [token, onUnauthorized]
  )

  if (session === undefined) {
    return (
      <Login
        refused={refused}
        onSignIn={(entered, onDevice) => {
          saveToken(entered, onDevice)
          setRefused(false)
          setToken(entered)
        }}
      />
    )
  }
  return (
    <SessionContext value={{ api: session.api, signOut }}>
      <QueryClientProvider client={session.client}>{children}</QueryClientProvider>
    </SessionContext>
  )
}
