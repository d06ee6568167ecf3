export * as EventStream from "./events/eventStream.ts"
export * as Server from "./Server.ts"
export * as TokenStore from "./tokens/TokenStore.ts"
export { Version } from "./routes/ServerRoutes.ts"
