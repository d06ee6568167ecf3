/** The views of the page by their addresses. Those that most visits do not need are loaded when they are opened. */
import { Id } from "@remote-agent/domain"
import { CSPProvider } from "@base-ui/react/csp-provider"
import { Schema } from "effect"
import { lazy, Suspense } from "react"
import { Link, Route, Switch } from "wouter"
import { AgentView } from "../agents/AgentView.tsx"
import { FleetView } from "../agents/FleetView.tsx"
import { SessionProvider } from "../session/Session.tsx"
import { Empty, ViewHead } from "../ui/View.tsx"
import { Shell } from "./Shell.tsx"

const PoolsView = lazy(() => import("../pools/PoolsView.tsx"))
const UsageView = lazy(() => import("../usage/UsageView.tsx"))
const LeftoversView = lazy(() => import("../reaper/LeftoversView.tsx"))

const isAgentId = Schema.is(Id.AgentId)

const NotFound = () => (
  <div className="view">
    <ViewHead title="Not found" />
    <Empty title="There is nothing at this address">
      <Link href="/">Back to the fleet</Link>
    </Empty>
  </div>
)

export const App = () => (
  <CSPProvider disableStyleElements>
    <SessionProvider>
      <Shell>
        <Suspense fallback={<p className="loading muted">Loading…</p>}>
          <Switch>
            <Route path="/" component={FleetView} />
            <Route path="/agents/:id">
              {({ id }) => (isAgentId(id) ? <AgentView key={id} id={id} /> : <NotFound />)}
            </Route>
            <Route path="/pools" component={PoolsView} />
            <Route path="/usage" component={UsageView} />
            <Route path="/leftovers" component={LeftoversView} />
            <Route component={NotFound} />
          </Switch>
        </Suspense>
      </Shell>
    </SessionProvider>
  </CSPProvider>
)
