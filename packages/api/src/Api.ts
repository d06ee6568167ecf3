/**
 * The whole HTTP API.
 *
 * @since 0.2.0
 */
import { HttpApi, OpenApi } from "effect/http-api"
import { AgentsApi } from "./agents/AgentsApi.ts"
import { PoolsApi } from "./pools/PoolsApi.ts"
import { QueriesApi } from "./queries/QueriesApi.ts"
import { RepositoriesApi } from "./repositories/RepositoriesApi.ts"
import { RequestChecks } from "./RequestChecks.ts"
import { SandboxApi } from "./sandbox/SandboxApi.ts"
import { HealthApi, MetricsApi, ServerApi } from "./server/ServerApi.ts"
import { UsageApi } from "./usage/UsageApi.ts"

/**
 * The HTTP API of `remote-agent serve`, as a value from which the server, the client and the OpenAPI document derive.
 *
 * @category api
 * @since 0.2.0
 */
export class Api extends HttpApi.make("remote-agent")
  .add(AgentsApi)
  .add(QueriesApi)
  .add(SandboxApi)
  .add(RepositoriesApi)
  .add(PoolsApi)
  .add(UsageApi)
  .add(ServerApi)
  .add(HealthApi)
  .add(MetricsApi)
  .middleware(RequestChecks)
  .annotateMerge(
    OpenApi.annotations({
      title: "Remote Agent",
      description: "Runs research and coding agents in isolated sandboxes."
    })
  ) {}
