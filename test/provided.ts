/** What a run of the tests has once, for all of them: see `test/setup`. */
export interface Provided {
  /** The file of the binary, bundled as it is published. */
  readonly bin: string
  /** Which forms of isolation work on this host, the best first. */
  readonly isolations: ReadonlyArray<"bubblewrap" | "namespaces">
  /** Answers with the address of the server of Postgres, which is started for whoever asks first. */
  readonly postgres: string
}

declare module "vitest" {
  interface ProvidedContext extends Provided {}
}
