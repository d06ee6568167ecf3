/**
 * The same tool for agents that speak the Model Context Protocol: a server on standard input and output, where every
 * line is one JSON-RPC message. It is placed beside `exchange-rate.mjs`.
 */
import { createInterface } from "node:readline"
import tool from "./exchange-rate.mjs"

const currency = { type: "string", description: "A currency such as EUR" }

const description = {
  name: tool.name,
  description: "Converts an amount of money from one currency to another",
  inputSchema: {
    type: "object",
    properties: { amount: { type: "number" }, from: currency, to: currency },
    required: ["amount", "from", "to"]
  }
}

/** A tool that fails says so in its result, which the model reads; only what is no call of it is an error. */
const call = ({ arguments: args, name }) => {
  if (name !== tool.name) throw new Error(`there is no tool ${name}`)
  try {
    return { content: [{ type: "text", text: tool.run(args) }] }
  } catch (error) {
    return { content: [{ type: "text", text: error.message }], isError: true }
  }
}

const methods = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "rates", version: "1.0.0" }
  }),
  ping: () => ({}),
  "tools/list": () => ({ tools: [description] }),
  "tools/call": call
}

const answer = ({ id, method, params = {} }) => {
  if (!Object.hasOwn(methods, method)) return { id, error: { code: -32601, message: `no method ${method}` } }
  try {
    return { id, result: methods[method](params) }
  } catch (error) {
    return { id, error: { code: -32602, message: error.message } }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line)
  // What has no id is a notification, and wants no answer.
  if (message.id !== undefined) console.log(JSON.stringify({ jsonrpc: "2.0", ...answer(message) }))
}
