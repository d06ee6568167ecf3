import type { Query } from "@remote-agent/domain"
import { useQuery } from "@tanstack/react-query"
import { useSession } from "../session/Session.tsx"

/** Queries with a status: those that wait or run, or the newest that ended. */
export const useQueries = (status: Query.QueryStatus) => {
  const { api } = useSession()
  return useQuery({
    queryKey: ["queries", status],
    queryFn: ({ signal }) =>
      api.run(
        ({ queries }) =>
          queries.list({
            query: { status: [status], limit: status === "ended" ? 300 : 1000, order: "newestFirst" }
          }),
        signal
      ),
    refetchInterval: status === "ended" ? 5000 : 1500
  })
}
