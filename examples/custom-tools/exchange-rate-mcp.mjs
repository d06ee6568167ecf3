/**
 * The same tool for agents that support the Model Context Protocol: a server on standard input and output. Each line is
 * one JSON-RPC message. The file is placed next to `exchange-rate.mjs`.
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

/** A failure of the tool is a result, which the model reads. Only a call of an unknown tool is an error. */
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
  // A message without an id is a notification and gets no answer.
  if (message.id !== undefined) console.log(JSON.stringify({ jsonrpc: "2.0", ...answer(message) }))
}
