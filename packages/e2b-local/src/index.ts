export * as E2bServer from "./E2bServer.ts"
export * as E2bServerError from "./E2bServerError.ts"
export * as Isolation from "./Isolation.ts"
