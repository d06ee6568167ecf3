export * as Cli from "./Cli.ts"
export * as Host from "./Host.ts"
export * as Screen from "./Screen.ts"
export * as Secrets from "./Secrets.ts"
