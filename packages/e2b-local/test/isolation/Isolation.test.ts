import { assert, describe, it as top, layer } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { CommandExitError } from "e2b"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { E2bServer, Isolation } from "../../src/index.ts"
import {
  failure,
  isolated,
  output,
  perMode,
  sandbox,
  sdk,
  serverLayer,
  temporaryFolder
} from "../support/support.ts"

perMode(isolated, "isolation", (mode) => {
  layer(serverLayer({ isolation: mode, limits: { processes: 40, openFiles: 100 } }), {
    excludeTestServices: true,
    timeout: "60 seconds"
  })((it) => {
    it.effect("hides the files of the host and makes the system read-only", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        assert.strictEqual(
          yield* output(box, "ls -d /work /etc/shadow /sys /boot /mnt 2>/dev/null || true"),
          ""
        )
        assert.strictEqual(yield* output(box, "ls /home /tmp /var/tmp"), "/home:\nuser\n\n/tmp:\n\n/var/tmp:")
        for (const path of [
          "/x",
          "/usr/x",
          "/etc/x",
          "/etc/passwd",
          "/run/node/bin/node",
          "/proc/sys/kernel/hostname",
          "/dev/x"
        ]) {
          assert.instanceOf(
            yield* failure(() => box.commands.run(`echo x >> ${path}`)),
            CommandExitError,
            path
          )
        }
        for (const path of [
          "~/x",
          "/tmp/x",
          "/var/tmp/x",
          "/dev/shm/x",
          "/dev/null",
          "/app/x",
          "/code/x",
          "/workspace/x",
          "/opt/x",
          "/srv/x"
        ]) {
          assert.strictEqual(yield* output(box, `echo x > ${path} && echo ok`), "ok", path)
        }
      })
    )

    it.effect("hides the processes and the environment of the host", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const pids = (yield* output(box, "cd /proc && echo [0-9]*")).split(" ").map(Number)
        assert.notInclude(pids, process.pid)
        assert.isBelow(pids.length, 10)
        const environments = yield* output(box, "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'")
        assert.notInclude(environments, "VITEST")
        assert.instanceOf(yield* failure(() => box.commands.run(`kill -0 ${process.pid}`)), CommandExitError)
      })
    )

    it.effect("leaves no privileges", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const status = yield* output(box, "cat /proc/self/status")
        assert.match(status, /^CapPrm:\s0+$/m)
        assert.match(status, /^CapEff:\s0+$/m)
        assert.match(status, /^CapAmb:\s0+$/m)
        assert.match(status, /^NoNewPrivs:\s1$/m)
        assert.notMatch(status, /^Uid:\s0/m)
        assert.strictEqual(yield* output(box, "id -un; echo $HOME"), "user\n/home/user")
        assert.instanceOf(yield* failure(() => box.commands.run("mount -t tmpfs x /tmp")), CommandExitError)
        assert.instanceOf(yield* failure(() => box.commands.run("mknod /tmp/disk b 8 0")), CommandExitError)
        assert.match(yield* output(box, "cat /proc/1/status"), /^CapEff:\s0+$/m)
      })
    )

    it.effect("survives when a sandbox tries to kill all of its processes", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        yield* Effect.promise(() => box.commands.run("kill -KILL -1; kill -KILL 1").catch(() => undefined))
        assert.strictEqual(yield* output(box, "echo still here"), "still here")
      })
    )

    it.effect("bounds processes and files of one sandbox without touching the other", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const other = yield* sandbox()
        const bomb = yield* failure(() =>
          box.commands.run(
            "exec sh -c 'i=0; while [ $i -lt 200 ]; do sleep 600 >/dev/null 2>&1 & i=$((i+1)); done'"
          )
        )
        assert.include(bomb instanceof CommandExitError ? bomb.stderr : "", "fork")
        const listed = yield* sdk(() => box.files.list("/proc"))
        assert.isBelow(listed.filter((entry) => /^\d+$/.test(entry.name)).length, 60)
        assert.strictEqual(yield* output(other, "echo fine; ulimit -n; ulimit -c"), "fine\n100\n0")
      })
    )

    it.effect("gives a network of its own when the internet is not allowed", () =>
      Effect.gen(function* () {
        const box = yield* sandbox({ allowInternetAccess: false })
        assert.strictEqual(yield* output(box, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"), "lo")
        const talk = `node -e "const n=require('net');const s=n.createServer(c=>c.end('hi')).listen(0,'127.0.0.1',()=>n.connect(s.address().port,'127.0.0.1').on('data',d=>{console.log(String(d));s.close()}))"`
        assert.strictEqual(yield* output(box, talk), "hi")
        const open = yield* sandbox()
        const shared = yield* output(open, "readlink /proc/self/ns/net")
        assert.strictEqual(shared, yield* Effect.promise(() => Fs.readlink("/proc/self/ns/net")))
      })
    )
  })

  top.live("shows the requested extra folders, read-only", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(() => Fs.chmod(folder, 0o755))
      yield* Effect.promise(() => Fs.writeFile(Path.join(folder, "shared"), "s", { mode: 0o644 }))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const box = yield* sandbox()
          assert.strictEqual(yield* output(box, `cat ${folder}/shared`), "s")
          assert.instanceOf(
            yield* failure(() => box.commands.run(`echo x > ${folder}/shared`)),
            CommandExitError
          )
        })
      ).pipe(Effect.provide(serverLayer({ isolation: mode, readOnlyPaths: [folder] })))
    })
  )
})

describe("probe", () => {
  top.live("reports for each form whether it works, and takes the best one for auto", () =>
    Effect.gen(function* () {
      const report = yield* Isolation.probe
      assert.deepStrictEqual(
        report.findings.map(({ kind }) => kind),
        ["bubblewrap", "namespaces"]
      )
      assert.isTrue(report.findings.every(({ detail }) => detail !== ""))
      const best = report.findings.find((finding) => finding.works)
      assert.strictEqual(Option.getOrUndefined(report.best), best?.kind)
      const directory = yield* temporaryFolder
      const auto = yield* Effect.result(
        Effect.map(E2bServer.E2bServer, ({ isolation }) => isolation).pipe(
          Effect.provide(E2bServer.layer({ directory }))
        )
      )
      if (best === undefined) {
        assert.strictEqual(auto._tag === "Failure" && auto.failure.reason._tag, "IsolationUnavailable")
      } else assert.strictEqual(auto._tag === "Success" && auto.success, best.kind)
    })
  )

  top.live("never takes no isolation for auto", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Isolation.select("auto", ["no-such-tool"]))
      assert.strictEqual(error.reason._tag, "IsolationUnavailable")
      assert.isFalse(error.isRetryable)
      assert.include(error.message, "no-such-tool")
    })
  )
})

describe("no isolation", () => {
  layer(Layer.fresh(serverLayer({ isolation: "none" })), { excludeTestServices: true })((it) => {
    it.effect("reports the real path of the home, and gives its own temporary folder", () =>
      Effect.gen(function* () {
        const box = yield* sandbox()
        const home = (yield* sdk(() => box.files.getInfo("."))).path
        assert.strictEqual(yield* output(box, "pwd -P"), home)
        assert.strictEqual(yield* output(box, 'dirname "$TMPDIR"'), Path.dirname(home))
      })
    )
  })
})
