/**
 * System calls that no program of util-linux makes, and perl, which can make them by their number.
 *
 * Node.js cannot make a system call itself. perl is essential on Debian and on most systems that have a shell.
 *
 * @since 0.1.0
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

/** The folders in which the server looks for programs of the host. */
export const searchPath = "/usr/sbin:/usr/bin:/sbin:/bin"

const tables = {
  x64: {
    capset: 126,
    clone: 56,
    close: 3,
    close_range: 436,
    dup3: 292,
    exit_group: 231,
    keyctl: 250,
    lgetxattr: 192,
    llistxattr: 195,
    mount: 165,
    mount_setattr: 442,
    openat: 257,
    pivot_root: 155,
    prctl: 157,
    prlimit64: 302,
    removexattr: 197,
    rt_sigprocmask: 14,
    setgroups: 116,
    sethostname: 170,
    setns: 308,
    setresgid: 119,
    setresuid: 117,
    setsid: 112,
    setxattr: 188,
    signalfd4: 289,
    statx: 332,
    umount2: 166,
    unshare: 272
  },
  arm64: {
    capset: 91,
    clone: 220,
    close: 57,
    close_range: 436,
    dup3: 24,
    exit_group: 94,
    keyctl: 219,
    lgetxattr: 9,
    llistxattr: 12,
    mount: 40,
    mount_setattr: 442,
    openat: 56,
    pivot_root: 41,
    prctl: 167,
    prlimit64: 261,
    removexattr: 14,
    rt_sigprocmask: 135,
    setgroups: 159,
    sethostname: 161,
    setns: 268,
    setresgid: 149,
    setresuid: 147,
    setsid: 157,
    setxattr: 5,
    signalfd4: 74,
    statx: 291,
    umount2: 39,
    unshare: 97
  }
} as const

/** The numbers of the system calls on this machine. Undefined where they are not known. */
export type Calls = { readonly [Name in keyof (typeof tables)["x64"]]: number }

const isKnown = (arch: string): arch is keyof typeof tables => Object.hasOwn(tables, arch)

/** The numbers for this machine. Undefined on other systems than Linux on x86-64 and arm64. */
export const calls: Calls | undefined =
  process.platform === "linux" && isKnown(process.arch) ? tables[process.arch] : undefined

/** The numbers as the hash `%call` of a Perl program. Undefined where they are not known. */
export const perlCalls: string | undefined =
  calls === undefined
    ? undefined
    : `my %call = (${Object.entries(calls)
        .map(([name, number]) => `${name} => ${number}`)
        .join(", ")});`

const programs = new Map<string, string | undefined>()

/** The path of a program of the host. Undefined when it is not installed. */
export const findProgram = (name: string): string | undefined => {
  if (!programs.has(name)) {
    const found = searchPath
      .split(":")
      .map((folder) => Path.join(folder, name))
      .find((path) => {
        try {
          Fs.accessSync(path, Fs.constants.X_OK)
          return true
        } catch {
          return false
        }
      })
    programs.set(name, found)
  }
  return programs.get(name)
}

/** The path of perl where it can make the system calls. Undefined elsewhere. */
export const findPerl = (): string | undefined => (calls === undefined ? undefined : findProgram("perl"))
