import { Argument, Command, Flag } from "effect/cli"
import { durable, json, lazily, optional, Seconds } from "../shared/flags.ts"

const agent = Argument.String("agent").pipe(
  Argument.withDescription("An agent: its id, the beginning of its id, or its name")
)

const cwd = optional(
  Flag.String("cwd").pipe(Flag.withDescription("The folder to start in (default: the home folder)"))
)

const user = optional(
  Flag.String("user").pipe(Flag.withDescription("Who runs it in the sandbox (default: its ordinary user)"))
)

/** `exec`. */
export const exec = Command.make(
  "exec",
  {
    agent,
    command: Argument.String("command").pipe(
      Argument.variadic({ min: 1 }),
      Argument.withDescription("A program and its arguments, after --; no shell reads them")
    ),
    cwd,
    user,
    timeout: optional(
      Flag.Int("timeout").pipe(
        Flag.withSchema(Seconds),
        Flag.withDescription("After how many seconds it is killed (default: never)")
      )
    ),
    idleTimeout: optional(
      Flag.Int("idle-timeout").pipe(
        Flag.withSchema(Seconds),
        Flag.withDescription("After how many seconds without output it is killed (default: never)")
      )
    ),
    ...durable,
    json
  },
  lazily(
    "exec",
    () => import("./exec.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Run a command in the sandbox of an agent; the exit code is that of the command"),
  Command.withExamples([
    { command: "remote-agent exec my-agent -- ls -la", description: "What is there" },
    {
      command: "remote-agent exec my-agent -- sh -c 'wc -l | tee n' < file",
      description: "Input is passed on"
    }
  ])
)

/** `cp`. */
export const cp = Command.make(
  "cp",
  {
    from: Argument.String("from").pipe(
      Argument.withDescription("A file or folder, here or as agent:path; - for standard input")
    ),
    to: Argument.String("to").pipe(
      Argument.withDescription("Where to, here or as agent:path; - for standard output")
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withAlias("f"),
      Flag.withDefault(false),
      Flag.withDescription("Replace a folder that is there, or a file by a folder")
    ),
    ...durable,
    json
  },
  lazily(
    "cp",
    () => import("./cp/cp.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Copy files and folders into and out of the sandbox of an agent"),
  Command.withExamples([
    { command: "remote-agent cp data my-agent:work", description: "Into the sandbox" },
    { command: "remote-agent cp my-agent:work/report.md .", description: "Out of it" },
    { command: "remote-agent cp my-agent:log.txt - | grep error", description: "To standard output" }
  ])
)

/** `shell`. */
export const shell = Command.make(
  "shell",
  { agent, cwd, user, ...durable, json },
  lazily(
    "shell",
    () => import("./shell.ts"),
    ({ run }, flags) => run(flags)
  )
).pipe(
  Command.withDescription("Open a shell in the sandbox of an agent; the exit code is that of the shell"),
  Command.withExamples([{ command: "remote-agent shell my-agent", description: "Until exit or Ctrl-D" }])
)
