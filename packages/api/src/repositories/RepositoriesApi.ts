/**
 * The repositories of agents over HTTP.
 *
 * @since 0.2.0
 */
import { Agent, Id } from "@remote-agent/domain"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import * as ApiError from "../ApiError.ts"
import { Authorization, RequiredScope } from "../Authorization.ts"
import {
  BranchRequest,
  CloneRequest,
  CommitRequest,
  Committed,
  Diff,
  Head,
  Opened,
  ProposeRequest,
  Published,
  PublishRequest,
  Pulled,
  PullRequest,
  Pushed,
  PushRequest
} from "./RepositorySchemas.ts"

const params = { id: Id.AgentId }
const error = ApiError.all

/**
 * Works in the repository of an agent while it answers no query.
 *
 * @category groups
 * @since 0.2.0
 */
export class RepositoriesApi extends HttpApiGroup.make("repositories")
  .add(
    HttpApiEndpoint.get("diff", "/:id/diff", { params, success: Diff, error }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.post("clone", "/:id/repository", {
      params,
      payload: CloneRequest,
      success: Agent.Agent,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.post("pull", "/:id/repository/pull", {
      params,
      payload: PullRequest,
      success: Pulled,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.post("branch", "/:id/repository/branch", {
      params,
      payload: BranchRequest,
      success: Head,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.post("commit", "/:id/repository/commit", {
      params,
      payload: CommitRequest,
      success: Committed,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.post("push", "/:id/repository/push", {
      params,
      payload: PushRequest,
      success: Pushed,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.post("openPullRequest", "/:id/repository/pull-request", {
      params,
      payload: ProposeRequest,
      success: Opened,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.post("publish", "/:id/repository/publish", {
      params,
      payload: PublishRequest,
      success: Published,
      error
    }).annotate(RequiredScope, "run")
  )
  .middleware(Authorization)
  .prefix("/v1/agents")
  .annotateMerge(
    OpenApi.annotations({ title: "Repositories", description: "Work in the repository of an agent." })
  ) {}
