import { Effect, Schema } from "effect"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"

/** A call of a model, in whichever of the three languages it came. */
export interface Call {
  readonly api: "chat" | "responses" | "messages"
  /** The how many-th call it is, from 0. */
  readonly index: number
  readonly model: string
  readonly stream: boolean
  /** The key that came with it. */
  readonly key: string
  /** The names of the tools that may be used. */
  readonly tools: ReadonlyArray<string>
  /** How many results of tools are in the conversation. */
  readonly toolResults: number
  /** The whole conversation, as JSON. */
  readonly conversation: string
}

/** What the model does. */
type Reply =
  | { readonly text: string }
  | { readonly tool: string; readonly args: Schema.JsonObject; readonly text?: string }
  | { readonly status: number; readonly message: string }
  /** Waits for the effect first: a slow model, or one that hangs. */
  | { readonly after: Promise<unknown>; readonly reply: Reply }

/** Says what the model does, call by call. */
export type Script = (call: Call) => Reply

const Body = Schema.fromJsonString(
  Schema.Struct({
    model: Schema.optionalKey(Schema.String),
    stream: Schema.optionalKey(Schema.Boolean),
    messages: Schema.optionalKey(Schema.Json),
    input: Schema.optionalKey(Schema.Json),
    tools: Schema.optionalKey(
      Schema.Array(
        Schema.Struct({
          name: Schema.optionalKey(Schema.String),
          function: Schema.optionalKey(Schema.Struct({ name: Schema.String }))
        })
      )
    )
  })
)

const decodeBody = Schema.decodeUnknownSync(Body)

const apis = { "/chat/completions": "chat", "/responses": "responses", "/messages": "messages" } as const

const readAll = async (request: IncomingMessage): Promise<string> => {
  const pieces: Array<Buffer> = []
  for await (const piece of request) pieces.push(piece)
  return Buffer.concat(pieces).toString("utf8")
}

const json = (response: ServerResponse, status: number, body: unknown) => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
}

/** Sends events; `named` puts the type of each before it. */
const events = (response: ServerResponse, all: ReadonlyArray<object | string>, named: boolean) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  for (const event of all) {
    const type = typeof event === "object" && "type" in event ? String(event.type) : ""
    const data = typeof event === "string" ? event : JSON.stringify(event)
    response.write(`${named ? `event: ${type}\n` : ""}data: ${data}\n\n`)
  }
  response.end()
}

type Said = Exclude<Reply, { readonly status: number } | { readonly after: unknown }>

const pieces = (text: string): ReadonlyArray<string> => text.match(/[\s\S]{1,12}/g) ?? []

const chat = (response: ServerResponse, call: Call, said: Said) => {
  const id = `call_${call.index}`
  const calls =
    "tool" in said
      ? [{ id, type: "function", function: { name: said.tool, arguments: JSON.stringify(said.args) } }]
      : undefined
  const finish = calls === undefined ? "stop" : "tool_calls"
  const usage = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 }
  const base = { id: `chat_${call.index}`, created: 1, model: call.model }
  if (!call.stream) {
    const message = { role: "assistant", content: said.text ?? null, ...(calls && { tool_calls: calls }) }
    const choices = [{ index: 0, finish_reason: finish, message }]
    return json(response, 200, { ...base, object: "chat.completion", choices, usage })
  }
  const chunk = (delta: object, reason: string | null = null) => ({
    ...base,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: reason }]
  })
  const parts = pieces(said.text ?? "").map((content) => chunk({ role: "assistant", content }))
  const used = calls?.map((one, index) => chunk({ role: "assistant", tool_calls: [{ index, ...one }] })) ?? []
  const last = { ...base, object: "chat.completion.chunk", choices: [], usage }
  events(response, [...parts, ...used, chunk({}, finish), last, "[DONE]"], false)
}

const responses = (response: ServerResponse, call: Call, said: Said) => {
  const item =
    "tool" in said
      ? {
          type: "function_call",
          id: `fc_${call.index}`,
          call_id: `call_${call.index}`,
          name: said.tool,
          arguments: JSON.stringify(said.args),
          status: "completed"
        }
      : {
          type: "message",
          id: `msg_${call.index}`,
          role: "assistant",
          status: "completed",
          content: [{ type: "output_text", text: said.text, annotations: [] }]
        }
  const whole = {
    id: `resp_${call.index}`,
    object: "response",
    created_at: 1,
    model: call.model,
    status: "completed",
    error: null,
    output: [item],
    usage: {
      input_tokens: 100,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 20,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 120
    }
  }
  if (!call.stream) return json(response, 200, whole)
  const begun = { ...whole, status: "in_progress", output: [], usage: null }
  const deltas =
    "tool" in said
      ? []
      : pieces(said.text).map((delta) => ({
          type: "response.output_text.delta",
          item_id: item.id,
          output_index: 0,
          content_index: 0,
          delta
        }))
  const all = [
    { type: "response.created", response: begun },
    { type: "response.output_item.added", output_index: 0, item: { ...item, status: "in_progress" } },
    ...deltas,
    { type: "response.output_item.done", output_index: 0, item },
    { type: "response.completed", response: whole }
  ].map((event, sequence_number) => ({ ...event, sequence_number }))
  events(response, all, true)
}

const messages = (response: ServerResponse, call: Call, said: Said) => {
  const block =
    "tool" in said
      ? { type: "tool_use", id: `toolu_${call.index}`, name: said.tool, input: said.args }
      : { type: "text", text: said.text }
  const reason = "tool" in said ? "tool_use" : "end_turn"
  const message = {
    id: `msg_${call.index}`,
    type: "message",
    role: "assistant",
    model: call.model,
    stop_sequence: null,
    usage: { input_tokens: 100, output_tokens: 20 }
  }
  if (!call.stream) return json(response, 200, { ...message, content: [block], stop_reason: reason })
  const empty = "tool" in said ? { ...block, input: {} } : { ...block, text: "" }
  const delta =
    "tool" in said
      ? [{ type: "input_json_delta", partial_json: JSON.stringify(said.args) }]
      : pieces(said.text).map((text) => ({ type: "text_delta", text }))
  const all = [
    { type: "message_start", message: { ...message, content: [], stop_reason: null } },
    { type: "content_block_start", index: 0, content_block: empty },
    ...delta.map((one) => ({ type: "content_block_delta", index: 0, delta: one })),
    { type: "content_block_stop", index: 0 },
    {
      type: "message_delta",
      delta: { stop_reason: reason, stop_sequence: null },
      usage: { output_tokens: 20 }
    },
    { type: "message_stop" }
  ]
  events(response, all, true)
}

const send = { chat, responses, messages }

const keyOf = ({ headers }: IncomingMessage): string =>
  String(headers["x-api-key"] ?? headers.authorization ?? "").replace(/^Bearer /, "")

const answer = async (
  request: IncomingMessage,
  response: ServerResponse,
  script: Script,
  calls: Array<Call>
): Promise<void> => {
  const { pathname } = new URL(request.url ?? "/", "http://localhost")
  const api = Object.entries(apis).find(([path]) => pathname.endsWith(path))?.[1]
  const text = await readAll(request)
  if (api === undefined) return json(response, 404, { error: { message: `no route for ${pathname}` } })
  const body = decodeBody(text)
  const conversation = JSON.stringify(body.messages ?? body.input ?? [])
  const call: Call = {
    api,
    index: calls.length,
    model: body.model ?? "",
    stream: body.stream === true,
    key: keyOf(request),
    tools: (body.tools ?? []).flatMap((tool) => tool.name ?? tool.function?.name ?? []),
    toolResults: conversation.match(/"role":"tool"|"function_call_output"|"tool_result"/g)?.length ?? 0,
    conversation
  }
  calls.push(call)
  let reply = script(call)
  while ("after" in reply) {
    // oxlint-disable-next-line no-await-in-loop -- each wait comes after the one before
    await reply.after
    reply = reply.reply
  }
  if ("status" in reply) {
    const error = { message: reply.message, type: "scripted_error", code: null }
    return json(response, reply.status, { type: "error", error })
  }
  send[api](response, call, reply)
}

/** A server in the place of the models of OpenAI (chat completions and responses) and Anthropic (messages). */
export interface LlmServer {
  /** Without `/v1`. */
  readonly url: string
  /** Every call so far, in order. */
  readonly calls: ReadonlyArray<Call>
}

/** Starts one on the loopback, on a free port, which ends with the scope whatever is going on. */
export const make = (script: Script) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: Server; readonly calls: Array<Call> }>((resume) => {
        const calls: Array<Call> = []
        const server = createServer((request, response) => {
          answer(request, response, script, calls).catch((error: unknown) =>
            json(response, 400, { error: { message: String(error) } })
          )
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, calls })))
      }),
      ({ server }) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    ),
    ({ calls, server }): LlmServer => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      return { url: `http://127.0.0.1:${port}`, calls }
    }
  )
