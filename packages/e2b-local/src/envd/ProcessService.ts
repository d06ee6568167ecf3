/**
 * `process.Process` of envd.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import * as Path from "node:path/posix"
import { deadlineMillis, decodeJson, decodeRequest, keepaliveSeconds, RpcError } from "./ConnectProtocol.ts"
import * as Envd from "./Envd.ts"
import * as HostProcess from "../host/HostProcess.ts"
import type { SandboxRuntime } from "../isolation/SandboxRuntime.ts"
import type { Process } from "../sandboxes/ProcessTable.ts"
import { isCarriable, isVariableName } from "../isolation/shell.ts"
import * as PseudoTerminal from "../isolation/PseudoTerminal.ts"

const Variables = Schema.Record(Schema.String, Schema.String)

const ProcessConfig = Schema.Struct({
  cmd: Schema.NonEmptyString,
  args: Schema.optionalKey(Schema.Array(Schema.String)),
  envs: Schema.optionalKey(Variables),
  cwd: Schema.optionalKey(Schema.String)
})

const Pty = Schema.Struct({ size: Schema.optionalKey(PseudoTerminal.Size) })

const StartRequest = Schema.Struct({
  process: ProcessConfig,
  pty: Schema.optionalKey(Pty),
  tag: Schema.optionalKey(Schema.String),
  stdin: Schema.optionalKey(Schema.Boolean)
})

const Selector = Schema.Union([Schema.Struct({ pid: Schema.Int }), Schema.Struct({ tag: Schema.String })])
const SelectRequest = Schema.Struct({ process: Selector })
const SendInputRequest = Schema.Struct({
  process: Selector,
  input: Schema.Union([
    Schema.Struct({ stdin: Schema.Uint8ArrayFromBase64 }),
    Schema.Struct({ pty: Schema.Uint8ArrayFromBase64 })
  ])
})
const UpdateRequest = Schema.Struct({ process: Selector, pty: Schema.optionalKey(Pty) })
const SendSignalRequest = Schema.Struct({
  process: Selector,
  signal: Schema.Literals(["SIGNAL_SIGTERM", "SIGNAL_SIGKILL"])
})

/** Why a set of variables cannot be given to a program; none when it can. */
export const variablesProblem = (variables: Readonly<Record<string, string>>): Option.Option<string> => {
  for (const [name, value] of Object.entries(variables)) {
    if (!isVariableName(name)) {
      return Option.some(`${JSON.stringify(name)} is no name of an environment variable`)
    }
    if (!isCarriable(value)) return Option.some(`the environment variable ${name} contains a NUL byte`)
  }
  return Option.none()
}

/** What every command starts from. */
const baseEnvironment = (machine: SandboxRuntime): Readonly<Record<string, string>> => ({
  PATH: machine.path,
  HOME: machine.home,
  USER: Envd.USER,
  LOGNAME: Envd.USER,
  SHELL: "/bin/bash",
  LANG: "C.UTF-8",
  ...(machine.temporary === "/tmp" ? {} : { TMPDIR: machine.temporary })
})

const invalid = (message: string) => new RpcError({ code: "invalid_argument", message })

const decodeStart = decodeRequest(StartRequest)
const decodeConnect = decodeRequest(SelectRequest)
const decodeSelect = decodeJson(SelectRequest)
const decodeInput = decodeJson(SendInputRequest)
const decodeUpdate = decodeJson(UpdateRequest)
const decodeSignal = decodeJson(SendSignalRequest)

const bodyBytes = (context: Envd.Context) =>
  context.request.arrayBuffer.pipe(
    Effect.map((buffer) => new Uint8Array(buffer)),
    Effect.mapError((error) => invalid(error.message))
  )

const bodyText = (context: Envd.Context) =>
  context.request.text.pipe(Effect.mapError((error) => invalid(error.message)))

const start = Effect.fn("ProcessService.start")(
  function* (context: Envd.Context) {
    const { request, sandbox } = context
    yield* Envd.rpcUser(request)
    const body = yield* decodeStart(yield* bodyBytes(context))
    const { args = [], cmd, cwd = "", envs = {} } = body.process
    const problem = variablesProblem(envs)
    if (Option.isSome(problem)) return yield* invalid(problem.value)
    if (![cmd, cwd, ...args].every(isCarriable)) return yield* invalid("an argument contains a NUL byte")
    const deadline = deadlineMillis(request.headers)
    const { events, expired } = yield* sandbox.processes.start(
      {
        argv: [cmd, ...args],
        env: { ...baseEnvironment(sandbox.machine), ...sandbox.spec.envVars, ...envs },
        cwd: Path.resolve(sandbox.machine.home, cwd),
        stdin: body.stdin ?? true
      },
      {
        config: { cmd, args, envs, ...(cwd === "" ? {} : { cwd }) },
        tag: Option.fromUndefinedOr(body.tag),
        deadline,
        terminal: Option.map(Option.fromUndefinedOr(body.pty), ({ size = {} }) => size)
      }
    )
    return Envd.eventStream(sandbox, events, {
      keepaliveSeconds: keepaliveSeconds(request.headers),
      deadline: expired
    })
  },
  Effect.catchTag("RpcError", (error) => Effect.succeed(Envd.streamError(error)))
)

const connect = Effect.fn("ProcessService.connect")(
  function* (context: Envd.Context) {
    const { request, sandbox } = context
    const body = yield* decodeConnect(yield* bodyBytes(context))
    const events = yield* sandbox.processes.connect(body.process)
    return Envd.eventStream(sandbox, events, {
      keepaliveSeconds: keepaliveSeconds(request.headers),
      deadline: Option.match(deadlineMillis(request.headers), {
        onNone: () => Effect.never,
        onSome: sandbox.processes.sleep
      })
    })
  },
  Effect.catchTag("RpcError", (error) => Effect.succeed(Envd.streamError(error)))
)

const describe = (process: Process) => ({
  config: process.config,
  pid: process.pid,
  ...Option.match(process.tag, { onNone: () => ({}), onSome: (tag) => ({ tag }) })
})

const list = Effect.fn("ProcessService.list")(function* (context: Envd.Context) {
  const processes = yield* context.sandbox.processes.list
  return HttpServerResponse.jsonUnsafe({ processes: processes.map(describe) })
})

const ok = HttpServerResponse.jsonUnsafe({})

const stdinOf = Effect.fnUntraced(function* (process: Process) {
  const { stdin } = process.running
  return stdin === undefined || stdin.writableEnded
    ? yield* new RpcError({
        code: "failed_precondition",
        message: `stdin of process ${process.pid} is not open`
      })
    : stdin
})

const sendInput = Effect.fn("ProcessService.sendInput")(function* (context: Envd.Context) {
  const body = yield* decodeInput(yield* bodyText(context))
  const process = yield* context.sandbox.processes.get(body.process)
  const forTerminal = "pty" in body.input
  if (forTerminal !== process.terminal) {
    return yield* new RpcError({
      code: "failed_precondition",
      message: `process ${process.pid} has ${process.terminal ? "a terminal and no stdin" : "no terminal"}`
    })
  }
  const bytes = "pty" in body.input ? body.input.pty : body.input.stdin
  yield* HostProcess.write(yield* stdinOf(process), bytes).pipe(
    Effect.mapError(
      (error) => new RpcError({ code: "failed_precondition", message: `stdin is closed: ${error.detail}` })
    )
  )
  return ok
})

const closeStdin = Effect.fn("ProcessService.closeStdin")(function* (context: Envd.Context) {
  const body = yield* decodeSelect(yield* bodyText(context))
  yield* HostProcess.end(yield* stdinOf(yield* context.sandbox.processes.get(body.process)))
  return ok
})

const sendSignal = Effect.fn("ProcessService.sendSignal")(function* (context: Envd.Context) {
  const body = yield* decodeSignal(yield* bodyText(context))
  const process = yield* context.sandbox.processes.get(body.process)
  yield* process.running.signal(body.signal === "SIGNAL_SIGKILL" ? "SIGKILL" : "SIGTERM")
  return ok
})

const update = Effect.fn("ProcessService.update")(function* (context: Envd.Context) {
  const body = yield* decodeUpdate(yield* bodyText(context))
  const process = yield* context.sandbox.processes.get(body.process)
  if (body.pty?.size === undefined) return ok
  if (!process.terminal) {
    return yield* new RpcError({
      code: "failed_precondition",
      message: `process ${process.pid} has no terminal`
    })
  }
  yield* PseudoTerminal.resize(context.sandbox.machine, process.pid, body.pty.size)
  return ok
})

const unavailable = (context: Envd.Context) =>
  Effect.fail(
    new RpcError({
      code: "unimplemented",
      message: `${context.request.url} is not available in local sandboxes`
    })
  )

/** Start, Connect, List, SendInput, CloseStdin, SendSignal, Update; the rest of the service is refused. */
export const routes = HttpRouter.addAll([
  HttpRouter.route("POST", "/process.Process/Start", Envd.route(start)),
  HttpRouter.route("POST", "/process.Process/Connect", Envd.route(connect)),
  HttpRouter.route("POST", "/process.Process/List", Envd.route(list)),
  HttpRouter.route("POST", "/process.Process/SendInput", Envd.route(sendInput)),
  HttpRouter.route("POST", "/process.Process/CloseStdin", Envd.route(closeStdin)),
  HttpRouter.route("POST", "/process.Process/SendSignal", Envd.route(sendSignal)),
  HttpRouter.route("POST", "/process.Process/Update", Envd.route(update)),
  HttpRouter.route("POST", "/process.Process/*", Envd.route(unavailable))
])
