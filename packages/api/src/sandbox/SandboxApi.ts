/**
 * The sandboxes of agents over HTTP: files and commands.
 *
 * @since 0.2.0
 */
import { Id } from "@remote-agent/domain"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import * as ApiError from "../ApiError.ts"
import { Authorization, RequiredScope } from "../Authorization.ts"
import { DurationText } from "../DurationText.ts"

/**
 * A file, folder or link in a sandbox.
 *
 * @category schemas
 * @since 0.2.0
 */
export const FileInfo = Schema.Struct({
  /** The absolute path, as the sandbox sees it. */
  path: Schema.String,
  name: Schema.String,
  type: Schema.Literals(["file", "directory", "symlink", "other"]),
  /** The size in bytes. */
  size: Schema.Finite
})

const InputName = Schema.String.check(Schema.isPattern(/^[\w-]{16,64}$/))

const options = {
  /** The working folder; the home folder when absent. */
  cwd: Schema.optionalKey(Schema.String),
  /** Variables added to the environment of the sandbox. Providers may log them, so they must not be secret. */
  env: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  /** The standard input, in Base64. */
  stdin: Schema.optionalKey(Schema.Uint8ArrayFromBase64),
  /**
   * A name of the client's choice. The command then reads what is sent to `exec/{input}` as it comes, in place of `stdin`.
   * Send to it once the command has started, and to the same server.
   */
  input: Schema.optionalKey(InputName),
  user: Schema.optionalKey(Schema.String),
  /** How long it may take, and how long it may be silent; for ever when absent. */
  timeout: Schema.optionalKey(DurationText),
  idleTimeout: Schema.optionalKey(DurationText)
}

/**
 * A command: a program with its arguments, or a script for bash.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ExecRequest = Schema.Union([
  Schema.Struct({ argv: Schema.NonEmptyArray(Schema.String), ...options }),
  Schema.Struct({ script: Schema.String, ...options })
])
/** @since 0.2.0 */
export type ExecRequest = typeof ExecRequest.Type

/**
 * An event of a command. The exit code of a command that a signal killed is -1.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ExecEvent = Schema.Union([
  Schema.TaggedStruct("Started", { pid: Schema.Int }),
  Schema.TaggedStruct("Stdout", { text: Schema.String }),
  Schema.TaggedStruct("Stderr", { text: Schema.String }),
  Schema.TaggedStruct("Exit", { exitCode: Schema.Int })
])

const Bytes = Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array())

const params = { id: Id.AgentId }
const query = { path: Schema.String.check(Schema.isNonEmpty()) }
const error = ApiError.all

/**
 * Reads and writes files, and runs commands. All of it resumes a paused agent.
 *
 * @category groups
 * @since 0.2.0
 */
export class SandboxApi extends HttpApiGroup.make("sandbox")
  .add(
    HttpApiEndpoint.post("exec", "/:id/exec", {
      params,
      payload: ExecRequest,
      /** Leaving the stream kills the command. */
      success: HttpApiSchema.StreamSse({ data: ExecEvent, error: Schema.Union(error) }),
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.post("input", "/:id/exec/:input", {
      params: { ...params, input: InputName },
      /** `true` ends the input behind these bytes. */
      query: { end: Schema.optionalKey(Schema.Literals(["true", "false"])) },
      payload: Bytes,
      success: HttpApiSchema.NoContent,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.get("read", "/:id/files", { params, query, success: Bytes, error }).annotate(
      RequiredScope,
      "run"
    ),
    HttpApiEndpoint.put("write", "/:id/files", {
      params,
      query,
      payload: Bytes,
      success: HttpApiSchema.NoContent,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.delete("remove", "/:id/files", {
      params,
      query,
      success: HttpApiSchema.NoContent,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.get("listFiles", "/:id/files/list", {
      params,
      query,
      success: Schema.Array(FileInfo),
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.get("stat", "/:id/files/stat", { params, query, success: FileInfo, error }).annotate(
      RequiredScope,
      "run"
    ),
    HttpApiEndpoint.post("rename", "/:id/files/rename", {
      params,
      payload: Schema.Struct({ from: query.path, to: query.path }),
      success: HttpApiSchema.NoContent,
      error
    }).annotate(RequiredScope, "run"),
    HttpApiEndpoint.post("makeDir", "/:id/files/folder", {
      params,
      payload: Schema.Struct(query),
      success: HttpApiSchema.NoContent,
      error
    }).annotate(RequiredScope, "run")
  )
  .middleware(Authorization)
  .prefix("/v1/agents")
  .annotateMerge(
    OpenApi.annotations({ title: "Sandboxes", description: "Files and commands in the sandbox of an agent." })
  ) {}
