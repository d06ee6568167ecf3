export * as Cli from "./Cli.ts"
export * as CommandHost from "./process/CommandHost.ts"
export * as Screen from "./ui/Screen.ts"
export * as Redaction from "./process/redaction.ts"
