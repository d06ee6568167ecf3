/**
 * `process.Process` of envd.
 *
 * @since 0.1.0
 */
import { Effect, Option, Schema, Stream } from "effect"
import { HttpRouter } from "effect/http"
import * as HostProcess from "../host/HostProcess.ts"
import * as PseudoTerminal from "../isolation/PseudoTerminal.ts"
import type { Account } from "../isolation/SandboxRuntime.ts"
import { isCarriable, variablesProblem } from "../isolation/shell.ts"
import type { Sandbox } from "../sandboxes/ManagedSandbox.ts"
import type { Process } from "../sandboxes/ProcessTable.ts"
import {
  checkVersion,
  deadlineMillis,
  decodeEnvelope,
  decodeJson,
  decodeRequest,
  END_STREAM,
  envelopeText,
  keepaliveSeconds,
  rpcError,
  unaryText
} from "./ConnectProtocol.ts"
import * as Envd from "./Envd.ts"
import { callPath } from "./paths.ts"

/** A field that clients leave out or set to null. */
const optional = <S extends Schema.Top>(schema: S) => Schema.optional(Schema.NullOr(schema))

const ProcessConfig = Schema.Struct({
  cmd: optional(Schema.String),
  args: optional(Schema.Array(Schema.String)),
  envs: optional(Schema.Record(Schema.String, Schema.String)),
  cwd: optional(Schema.String)
})

const Pty = Schema.Struct({ size: optional(PseudoTerminal.Size) })

const StartRequest = Schema.Struct({
  process: optional(ProcessConfig),
  pty: optional(Pty),
  tag: optional(Schema.String),
  stdin: optional(Schema.Boolean)
})

const Selector = Schema.Struct({
  pid: optional(Schema.Union([Schema.Int, Schema.NumberFromString])),
  tag: optional(Schema.String)
})
const SelectRequest = Schema.Struct({ process: optional(Selector) })

/** Standard or URL-safe base64, as in every JSON form of Protocol Buffers. */
const Bytes = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9+/_-]*={0,2}$/))
const Input = Schema.Struct({ stdin: optional(Bytes), pty: optional(Bytes) })
const SendInputRequest = Schema.Struct({ process: optional(Selector), input: optional(Input) })
const StreamInputRequest = Schema.Struct({
  start: optional(SelectRequest),
  data: optional(Schema.Struct({ input: optional(Input) })),
  keepalive: optional(Schema.Unknown)
})
const UpdateRequest = Schema.Struct({ process: optional(Selector), pty: optional(Pty) })
const SendSignalRequest = Schema.Struct({
  process: optional(Selector),
  signal: optional(Schema.Union([Schema.String, Schema.Int]))
})

/** The variables of a sandbox: envd returns them and sets them for every command. */
export const sandboxVariables = (sandbox: Sandbox): Readonly<Record<string, string>> => ({
  E2B_SANDBOX: "true",
  E2B_SANDBOX_ID: sandbox.id,
  E2B_TEMPLATE_ID: sandbox.spec.templateId,
  ...sandbox.spec.envVars
})

/** The variables that every command of a user starts with. */
const baseEnvironment = (sandbox: Sandbox, account: Account): Readonly<Record<string, string>> => {
  const { path, temporary } = sandbox.runtime
  return {
    PATH: path,
    HOME: account.home,
    USER: account.name,
    LOGNAME: account.name,
    SHELL: "/bin/bash",
    LANG: "C.UTF-8",
    ...(temporary === "/tmp" ? {} : { TMPDIR: temporary }),
    ...sandboxVariables(sandbox)
  }
}

const decodeStart = decodeRequest(StartRequest)
const decodeConnect = decodeRequest(SelectRequest)
const decodeSelect = decodeJson(SelectRequest)
const decodeInput = decodeJson(SendInputRequest)
const decodeStreamInput = decodeJson(StreamInputRequest)
const decodeUpdate = decodeJson(UpdateRequest)
const decodeSignal = decodeJson(SendSignalRequest)

const bodyBytes = ({ request }: Envd.Context) =>
  Effect.andThen(
    checkVersion(request.headers),
    request.arrayBuffer.pipe(
      Effect.map((buffer) => new Uint8Array(buffer)),
      Effect.mapError((error) => rpcError("invalid_argument", error.message))
    )
  )

/** The selector of a request. Fails with `unimplemented` when it has none, as envd does. */
const selectorOf = (given: typeof Selector.Type | null | undefined) => {
  const { pid, tag } = given ?? {}
  if (pid !== undefined && pid !== null) return Effect.succeed({ pid })
  return tag !== undefined && tag !== null
    ? Effect.succeed({ tag })
    : Effect.fail(rpcError("unimplemented", "invalid process type"))
}

const find = (context: Envd.Context, given: typeof Selector.Type | null | undefined) =>
  Effect.flatMap(selectorOf(given), context.sandbox.processes.get)

const start = Envd.streaming(
  Effect.fn("ProcessService.start")(function* (context) {
    const { request, sandbox } = context
    const account = yield* Envd.rpcAccount(context)
    const body = yield* decodeStart(yield* bodyBytes(context), request.headers)
    const [cmd, args] = [body.process?.cmd ?? "", body.process?.args ?? []]
    const [cwd, envs] = [body.process?.cwd ?? "", body.process?.envs ?? {}]
    const problem = variablesProblem(envs)
    if (Option.isSome(problem)) return yield* rpcError("invalid_argument", problem.value)
    if (![cmd, ...args].every(isCarriable)) {
      return yield* rpcError("invalid_argument", "an argument contains a NUL byte")
    }
    const size = body.pty?.size ?? {}
    const { events, expired } = yield* sandbox.processes.start(
      {
        argv: [cmd, ...args],
        env: { ...baseEnvironment(sandbox, account), ...envs },
        cwd: yield* callPath(account, cwd),
        stdin: body.stdin ?? true,
        user: account.name,
        missing: "exit"
      },
      {
        config: { cmd, args, envs, ...(cwd === "" ? {} : { cwd }) },
        tag: Option.fromNullishOr(body.tag),
        deadline: deadlineMillis(request.headers),
        terminal: Option.map(Option.fromNullishOr(body.pty), () => size)
      }
    )
    return Envd.eventStream(sandbox, events, {
      keepaliveSeconds: keepaliveSeconds(request.headers),
      deadline: expired
    })
  })
)

const connect = Envd.streaming(
  Effect.fn("ProcessService.connect")(function* (context) {
    const { request, sandbox } = context
    const body = yield* decodeConnect(yield* bodyBytes(context), request.headers)
    const events = yield* sandbox.processes.connect(yield* selectorOf(body.process))
    return Envd.eventStream(sandbox, events, {
      keepaliveSeconds: keepaliveSeconds(request.headers),
      deadline: Option.match(deadlineMillis(request.headers), {
        onNone: () => Effect.never,
        onSome: sandbox.processes.sleep
      })
    })
  })
)

const describe = (process: Process) => ({
  config: process.config,
  pid: process.pid,
  ...Option.match(process.tag, { onNone: () => ({}), onSome: (tag) => ({ tag }) })
})

const list = Envd.unary(
  Effect.fn("ProcessService.list")(function* ({ request, sandbox }) {
    yield* checkVersion(request.headers)
    const processes = yield* sandbox.processes.list
    return { processes: processes.map(describe) }
  })
)

const wrongKind = (process: Process) =>
  rpcError(
    "internal",
    process.terminal
      ? "error writing to stdin: tty assigned to process — input should be written to the pty, not the stdin"
      : "error writing to tty: tty not assigned to process — input should be written to the stdin, not the tty"
  )

/** Writes to the stdin or the terminal of a command. Its codes are those of envd. */
const writeInput = Effect.fnUntraced(function* (
  process: Process,
  input: typeof Input.Type | null | undefined
) {
  const text = input?.pty ?? input?.stdin
  if (text === undefined || text === null) return yield* rpcError("unimplemented", "invalid input type <nil>")
  const forTerminal = input?.pty !== undefined && input.pty !== null
  if (forTerminal !== process.terminal) return yield* wrongKind(process)
  const { stdin } = process.running
  if (stdin === undefined || stdin.writableEnded) {
    return yield* rpcError("internal", "error writing to stdin: stdin not enabled or closed")
  }
  yield* HostProcess.write(stdin, Buffer.from(text, "base64")).pipe(
    Effect.mapError((error) => rpcError("internal", `error writing to stdin: ${error.detail}`))
  )
})

const sendInput = Envd.unary(
  Effect.fn("ProcessService.sendInput")(function* (context) {
    const body = yield* decodeInput(yield* unaryText(context.request))
    yield* writeInput(yield* find(context, body.process), body.input)
    return {}
  })
)

/** The messages of a client stream. */
const messagesOf = ({ request }: Envd.Context) =>
  request.stream.pipe(
    Stream.mapError((error) => rpcError("unknown", `error streaming input: ${error.message}`)),
    Stream.mapAccum(
      () => Buffer.alloc(0),
      (rest, chunk) => {
        let bytes: Uint8Array = Buffer.concat([rest, chunk])
        const envelopes = []
        for (let next = decodeEnvelope(bytes); Option.isSome(next); next = decodeEnvelope(bytes)) {
          envelopes.push(next.value)
          bytes = next.value.rest
        }
        return [Buffer.from(bytes), envelopes] as const
      }
    ),
    Stream.takeWhile(({ flags }) => (flags & END_STREAM) === 0),
    Stream.mapEffect((envelope) => envelopeText(envelope, request.headers)),
    Stream.mapEffect(decodeStreamInput)
  )

const streamInput = Envd.streaming(
  Effect.fn("ProcessService.streamInput")(function* (context) {
    yield* checkVersion(context.request.headers)
    let process: Option.Option<Process> = Option.none()
    yield* Stream.runForEach(
      messagesOf(context),
      Effect.fnUntraced(function* ({ data, keepalive, start: selected }) {
        if (selected) process = Option.some(yield* find(context, selected.process))
        else if (data) {
          if (Option.isNone(process)) return yield* rpcError("unimplemented", "invalid process type")
          yield* writeInput(process.value, data.input)
        } else if (keepalive === undefined) {
          return yield* rpcError("unimplemented", "invalid event type <nil>")
        }
      })
    )
    return Envd.messageStream(context.sandbox, Stream.succeed({}), {
      keepalive: {},
      keepaliveSeconds: keepaliveSeconds(context.request.headers),
      deadline: Effect.never
    })
  })
)

const closeStdin = Envd.unary(
  Effect.fn("ProcessService.closeStdin")(function* (context) {
    const body = yield* decodeSelect(yield* unaryText(context.request))
    const process = yield* find(context, body.process)
    if (process.terminal) {
      return yield* rpcError(
        "unknown",
        "error closing stdin: cannot close stdin for PTY process — send Ctrl+D (0x04) instead"
      )
    }
    const { stdin } = process.running
    // Closing it again succeeds, as at E2B.
    if (stdin !== undefined && !stdin.writableEnded) yield* HostProcess.end(stdin)
    return {}
  })
)

const signals: Readonly<Record<string, NodeJS.Signals>> = {
  SIGNAL_SIGTERM: "SIGTERM",
  SIGNAL_SIGKILL: "SIGKILL",
  15: "SIGTERM",
  9: "SIGKILL"
}

const sendSignal = Envd.unary(
  Effect.fn("ProcessService.sendSignal")(function* (context) {
    const body = yield* decodeSignal(yield* unaryText(context.request))
    const process = yield* find(context, body.process)
    const signal = signals[`${body.signal ?? "SIGNAL_UNSPECIFIED"}`]
    if (signal === undefined) {
      return yield* rpcError("unimplemented", `invalid signal: ${body.signal ?? "SIGNAL_UNSPECIFIED"}`)
    }
    yield* process.running.signal(signal)
    return {}
  })
)

const update = Envd.unary(
  Effect.fn("ProcessService.update")(function* (context) {
    const body = yield* decodeUpdate(yield* unaryText(context.request))
    const process = yield* find(context, body.process)
    if (!body.pty) return {}
    if (!process.terminal) {
      return yield* rpcError("internal", "error resizing tty: tty not assigned to process")
    }
    yield* PseudoTerminal.resize(context.sandbox.runtime, process, body.pty.size ?? {})
    return {}
  })
)

/** The calls of the service. */
export const routes = HttpRouter.addAll([
  HttpRouter.route("POST", "/process.Process/Start", start),
  HttpRouter.route("POST", "/process.Process/Connect", connect),
  HttpRouter.route("POST", "/process.Process/List", list),
  HttpRouter.route("POST", "/process.Process/SendInput", sendInput),
  HttpRouter.route("POST", "/process.Process/StreamInput", streamInput),
  HttpRouter.route("POST", "/process.Process/CloseStdin", closeStdin),
  HttpRouter.route("POST", "/process.Process/SendSignal", sendSignal),
  HttpRouter.route("POST", "/process.Process/Update", update)
])
