import { describeWhere } from "#test/where"
import { runsRest } from "#test/tier"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs/promises"
import { calls } from "../../src/host/kernel.ts"
import { Host, hostLayer, KEY, missing, perl, sandboxOf, SECRET, type User } from "../support/hosts.ts"
import { best, eventually, failure, isolated, type Mode, output, sdk } from "../support/support.ts"

const isArm = process.arch === "arm64"
const ptrace = isArm ? 117 : 101
const ioctl = isArm ? 29 : 16
const ioUring = 425
const clone3 = 435

/** The form that most hosts use as both users, and every other one in the rest. */
const combinations = isolated.flatMap((mode) =>
  (["root", "ordinary"] as const).map((user) => ({ mode, user }) satisfies { mode: Mode; user: User })
)

const chosen = combinations.filter(({ mode }) => runsRest || mode === best)

for (const { mode, user } of chosen) {
  const reason = missing(mode, user)
  describeWhere(reason === "", reason)(`from inside of a sandbox (${mode}, ${user})`, () => {
    layer(hostLayer(mode, user), { excludeTestServices: true, timeout: "120 seconds" })((it) => {
      it.effect("the keys of the session that started the server cannot be read", () =>
        Effect.gen(function* () {
          const box = yield* sandboxOf()
          const read = yield* perl(
            box,
            `my ($type, $name, $buffer) = ("user", "${KEY}", "\\0" x 256);
             for my $ring (-3, -4, -5) {
               my $key = syscall(${calls?.keyctl}, 10, $ring, $type, $name, 0);
               syscall(${calls?.keyctl}, 11, $key, $buffer, 256); print $buffer;
             }
             my $described = "\\0" x 256; print "ring" if syscall(${calls?.keyctl}, 6, -3, $described, 256) > 0;`
          )
          assert.notInclude(read, SECRET)
          assert.strictEqual(read.replaceAll("\0", ""), "")
          assert.notInclude(yield* output(box, "cat /proc/keys 2>/dev/null || true"), KEY)
        })
      )

      it.effect("namespaces, mounts and control groups cannot be made", () =>
        Effect.gen(function* () {
          const box = yield* sandboxOf()
          for (const command of [
            "unshare -U true",
            "unshare -Ur true",
            "unshare -Urm sh -c 'mount -t tmpfs none /mnt'",
            "unshare -UrC sh -c 'mount -t cgroup2 none /tmp'",
            "mount -t proc none /tmp",
            "mount -t cgroup2 none /tmp",
            "nsenter -t 1 -m true"
          ]) {
            assert.strictEqual(yield* output(box, `${command} 2>/dev/null && echo made || true`), "", command)
          }
          // Through the system calls, also with the flags in a place that only clone3 has.
          const made = yield* perl(
            box,
            `for my $flags (0x10000000, 0x30020000) { print "unshared" if syscall(${calls?.unshare}, $flags) == 0 }
             my $arguments = pack("Q11", 0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0);
             my $pid = syscall(${clone3}, $arguments, 88); exit 0 if $pid == 0; print "cloned" if $pid > 0;`
          )
          assert.strictEqual(made, "")
          const groups = yield* output(box, "cat /proc/self/cgroup")
          assert.notInclude(groups, "e2b-local-")
          assert.strictEqual(yield* output(box, "grep -c cgroup /proc/self/mountinfo || true"), "0")
        })
      )

      it.effect("io_uring, the terminal's input and the numbers of another architecture are refused", () =>
        Effect.gen(function* () {
          const box = yield* sandboxOf()
          const done = yield* perl(
            box,
            `my $parameters = "\\0" x 120; print "ring" if syscall(${ioUring}, 8, $parameters) >= 0;
             my $letter = "x"; open(my $terminal, "<", "/dev/null"); syscall(${ioctl}, fileno $terminal, 0x5412, $letter);
             print "input $!" if $! != 1;
             ${isArm ? "" : `print "x32" if syscall(0x40000000 + 39) > 0;`}`
          )
          assert.strictEqual(done, "")
          assert.match(yield* output(box, "cat /proc/self/status"), /^Seccomp:\s+2$/m)
        })
      )

      it.effect("PID 1 cannot be looked into, traced or stopped", () =>
        Effect.gen(function* () {
          const box = yield* sandboxOf()
          const done = yield* perl(
            box,
            `print "traced" if syscall(${ptrace}, 16, 1, 0, 0) == 0;
             print "seized" if syscall(${ptrace}, 0x4206, 1, 0, 0) == 0;
             print "opened $_" for grep { open(my $file, "<", "/proc/1/$_") } "mem", "environ", "maps";
             print "walked" if -e "/proc/1/root/etc" or -e "/proc/1/cwd/etc";`
          )
          assert.strictEqual(done, "")
          yield* output(box, "kill -STOP 1; kill -KILL 1; kill -TERM 1; true")
          assert.strictEqual(yield* output(box, "echo alive"), "alive")
        })
      )

      it.effect("a command that is entering cannot be taken over, and inherits nothing", () =>
        Effect.gen(function* () {
          const box = yield* sandboxOf()
          // Attaches to whatever appears, and reports a process that it holds without the filter.
          yield* sdk(() =>
            box.files.write(
              "watch.pl",
              `use strict; $| = 1; print "watching\n";
             while (1) { opendir(my $all, "/proc"); for my $pid (grep { /^\\d+$/ and $_ > 1 and $_ != $$ } readdir $all) {
               # Only what a tracer may take over can be opened. Privileges are only ever lost, so they are read afterwards.
               open(my $memory, "<", "/proc/$pid/mem") or next; open(my $status, "<", "/proc/$pid/status") or next;
               my $text = join "", <$status>; next unless $text =~ /^Seccomp:\\s+0/m or $text =~ /^CapEff:\\s+0*[1-9a-f]/m;
               open(my $log, ">>", "taken"); print $log "$pid\\n";
             } }`
            )
          )
          const watcher = yield* sdk(() =>
            box.commands.run("exec perl watch.pl", { background: true, timeoutMs: 0 })
          )
          yield* Effect.forEach(Array.from({ length: 30 }), () => sdk(() => box.commands.run("true")), {
            concurrency: 4
          })
          yield* sdk(() => watcher.kill())
          assert.strictEqual(yield* output(box, "cat taken 2>/dev/null || true"), "")
          const descriptors = yield* output(
            box,
            'exec perl -e \'opendir D, "/proc/self/fd"; print join " ", sort grep { $_ > 2 and readlink("/proc/self/fd/$_") !~ m{/fd$} } readdir D\''
          )
          assert.strictEqual(descriptors, "")
        })
      )

      it.effect("a paused sandbox runs nothing, also with timers and processes that start each other", () =>
        Effect.gen(function* () {
          const box = yield* sandboxOf()
          // A timer that continues a stopped process, and processes that start each other.
          yield* sdk(() =>
            box.files.write(
              "busy.pl",
              `my $event = pack("Q i i x48", 0, 18, 0); my $timer = "\\0" x 8;
             if (syscall(${isArm ? 107 : 222}, 1, $event, $timer) == 0) {
               my $every = pack("q4", 0, 20_000_000, 0, 20_000_000);
               syscall(${isArm ? 110 : 223}, unpack("i", $timer), 0, $every, 0);
             }
             $SIG{CONT} = sub {}; $SIG{CHLD} = "IGNORE";
             while (1) { open(my $log, ">>", "ticks"); print $log "."; close $log; fork and exit 0 if rand() < 0.2; select undef, undef, undef, 0.002 }`
            )
          )
          yield* output(
            box,
            "for i in 1 2 3; do setsid -f perl busy.pl >/dev/null 2>&1; done; perl -e 'syscall(101, 0x4206, 1, 0, 0)'; true"
          )
          const { directory } = yield* Host
          const size = Effect.promise(async () => {
            const [server = ""] = await Fs.readdir(directory)
            return (await Fs.stat(`${directory}/${server}/${box.sandboxId}/home/ticks`)).size
          })
          yield* eventually(Effect.map(size, (bytes) => bytes > 100))
          yield* sdk(() => box.pause())
          const before = yield* size
          // The only wait: nothing may happen, so there is no event.
          yield* Effect.sleep("300 millis")
          assert.strictEqual(yield* size, before)
          yield* sdk(() => box.connect())
          yield* eventually(Effect.map(size, (bytes) => bytes > before))
        })
      )

      it.effect("a named pipe is refused at once, and no process stays", () =>
        Effect.gen(function* () {
          const box = yield* sandboxOf()
          yield* output(box, "mkfifo pipe")
          assert.include(String(yield* failure(() => box.files.read("pipe"))), "pipe")
          assert.include(String(yield* failure(() => box.files.write("pipe", "x"))), "pipe")
          // PID 1, the shell, and the two programs of the pipeline.
          yield* eventually(Effect.map(output(box, "ls -d /proc/[0-9]* | wc -l"), (count) => count === "4"))
        })
      )

      it.effect("programs that agents use still work", () =>
        Effect.gen(function* () {
          const box = yield* sandboxOf()
          assert.strictEqual(
            yield* output(box, "node -e 'console.log(require(\"os\").cpus().length > 0)'"),
            "true"
          )
          assert.strictEqual(
            yield* output(
              box,
              "git init -q r && cd r && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --oneline | wc -l"
            ),
            "1"
          )
          assert.strictEqual(
            yield* output(
              box,
              "command -v strace >/dev/null || { echo ok; exit 0; }; strace -f -o trace sh -c 'true; true' && grep -q execve trace && echo ok"
            ),
            "ok"
          )
          assert.strictEqual(yield* output(box, "timeout 5 sleep 0.01 && echo ok"), "ok")
        })
      )
    })
  })
}
