export * as Cli from "./Cli.ts"
export * as Host from "./process/CommandHost.ts"
export * as Screen from "./ui/Screen.ts"
export * as Secrets from "./process/redaction.ts"
