import { assert, layer } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import {
  FileNotFoundError,
  type FilesystemEvent,
  FilesystemEventType,
  InvalidArgumentError,
  type Sandbox,
  TimeoutError
} from "e2b"
import { eventually, failure, modes, output, sandbox, sdk, serverLayer, byMode } from "../support/support.ts"

type Options = NonNullable<Parameters<Sandbox["files"]["watchDir"]>[2]>

/** What a watch tells, for the length of the test. */
const watch = Effect.fnUntraced(function* (box: Sandbox, path: string, options: Options = {}) {
  const events: Array<FilesystemEvent> = []
  const services = yield* Effect.context()
  const ended = yield* Deferred.make<Error | undefined>()
  const handle = yield* Effect.acquireRelease(
    sdk(() =>
      box.files.watchDir(path, (event) => void events.push(event), {
        ...options,
        onExit: (error) => void Effect.runForkWith(services)(Deferred.succeed(ended, error))
      })
    ),
    (watching) => Effect.promise(() => watching.stop())
  )
  const told = () => events.map((event) => `${event.type} ${event.name}`)
  const until = (line: string) => eventually(Effect.sync(() => told().includes(line)))
  return { events, told, until, handle, ended: Deferred.await(ended) }
})

/** Watchers of the home; without isolation the processes of the whole host can be seen. */
const watchers = (box: Sandbox) =>
  Effect.map(
    output(
      box,
      `for file in $(grep -lx perl /proc/[0-9]*/comm 2>/dev/null); do tr '\\0' '\\n' < "\${file%comm}cmdline" 2>/dev/null | grep -xF "$HOME"; done; :`
    ),
    (lines) => lines.split("\n").filter((line) => line !== "").length
  )

byMode(modes, "watching a folder", (mode) => {
  layer(serverLayer({ isolation: mode }), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("reports the events of envd in order, and none of the folders below", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* sdk(() => box.files.write("w/old", "x"))
        yield* sdk(() => box.files.makeDir("w/sub"))
        const { told, until } = yield* watch(box, "w")
        yield* output(
          box,
          "cd w; echo 1 > 'né w'; chmod 600 'né w'; mv 'né w' moved; rm moved; echo 2 >> old; mv old ..; mv ../old in; touch sub/deep; mkdir end"
        )
        yield* until("create end")
        assert.deepStrictEqual(told(), [
          "create né w",
          "write né w",
          "chmod né w",
          "rename né w",
          "create moved",
          "remove moved",
          "write old",
          "rename old",
          "create in",
          "create end"
        ])
      })
    )

    it.effect("recursively reports new folders, their content, and their moves", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* sdk(() => box.files.write("w/a/file", "x"))
        yield* output(box, "mkdir outside; ln -s ../outside w/link")
        const { told, until } = yield* watch(box, "w", { recursive: true })
        yield* output(box, "echo y > w/a/file")
        yield* until("write a/file")
        yield* output(box, "mkdir -p w/b/c/d; touch w/b/c/d/e")
        yield* until("create b/c/d/e")
        yield* output(box, "mv w/b w/z; touch w/z/c/f; touch outside/unseen")
        yield* until("create z/c/f")
        yield* output(box, "mv w/z gone; touch gone/c/g; rm -r gone; rm w/a/file; touch w/end")
        yield* until("create end")
        const lines = told()
        for (const line of [
          "create b",
          "create b/c",
          "create b/c/d",
          "rename b",
          "create z",
          "rename z",
          "remove a/file"
        ])
          assert.lengthOf(
            lines.filter((other) => other === line),
            1,
            line
          )
        assert.isFalse(
          lines.some((line) => /unseen|gone|c\/g/.test(line)),
          lines.join()
        )
      })
    )

    it.effect("reports the entry when requested, if it exists", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* sdk(() => box.files.makeDir("w"))
        const { events, until } = yield* watch(box, "w", { includeEntry: true, timeoutMs: 0 })
        yield* sdk(() => box.files.write("w/f", "12345"))
        yield* until("write f")
        yield* output(box, "chmod 640 w/f")
        yield* until("chmod f")
        assert.deepInclude(events.find((event) => event.type === FilesystemEventType.CHMOD)?.entry, {
          name: "f",
          size: 5,
          permissions: "-rw-r-----"
        })
        yield* sdk(() => box.files.remove("w/f"))
        yield* until("remove f")
        assert.isUndefined(events.find((event) => event.type === FilesystemEventType.REMOVE)?.entry)
      })
    )

    it.effect("ends when it is stopped, at its deadline, and with the sandbox, and leaves no process", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const before = yield* watchers(box)
        const stopped = yield* watch(box, ".")
        assert.strictEqual(yield* watchers(box), before + 1)
        yield* sdk(() => stopped.handle.stop())
        yield* stopped.ended
        yield* eventually(Effect.map(watchers(box), (count) => count === before))
        const short = yield* watch(box, ".", { timeoutMs: 3000 })
        assert.instanceOf(yield* short.ended, TimeoutError)
        yield* eventually(Effect.map(watchers(box), (count) => count === before))
        const paused = yield* watch(box, ".")
        yield* sdk(() => box.pause())
        assert.instanceOf(yield* paused.ended, Error)
        yield* sdk(() => box.connect())
        yield* eventually(Effect.map(watchers(box), (count) => count === before))
        const last = yield* watch(box, ".")
        yield* sdk(() => box.kill())
        assert.instanceOf(yield* last.ended, Error)
      })
    )

    it.effect("is refused for a path that is not a folder or not in the sandbox", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* sdk(() => box.files.write("file", "f"))
        const refusal = (path: string) => failure(() => box.files.watchDir(path, () => {}))
        assert.instanceOf(yield* refusal("missing"), FileNotFoundError)
        assert.instanceOf(yield* refusal("file"), InvalidArgumentError)
        assert.instanceOf(yield* refusal("nul\0"), InvalidArgumentError)
        yield* output(box, "ln -s /root link")
        if (mode !== "none") return
        assert.instanceOf(yield* refusal("link"), Error)
        assert.instanceOf(yield* refusal("/etc"), Error)
      })
    )
  })
})
