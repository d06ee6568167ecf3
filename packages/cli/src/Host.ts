import { Context } from "effect"

/** What the process knows and the library must not ask for itself. Read once, by the bin. */
export class Host extends Context.Service<
  Host,
  {
    readonly env: Readonly<Record<string, string | undefined>>
    /** The folder that `.env` and `remote-agent.json` are looked for in. */
    readonly cwd: string
    /** Told what may be left behind should the process be ended without cleaning up. */
    readonly leftovers: (text: string) => void
  }
>()("@remote-agent/cli/Host") {}
