/** The JSON that commands print, as schemas. */
export * as Documents from "./documents/documents.ts"

/** The tree of commands, and how it runs. */
export * as Cli from "./Cli.ts"

/** The process that a command runs in. */
export * as CommandHost from "./process/CommandHost.ts"

/** The redaction of secrets. */
export * as Redaction from "./process/redaction.ts"

/** The output of commands. */
export * as Screen from "./ui/Screen.ts"
