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
    close: 3,
    close_range: 436,
    prctl: 157,
    capset: 126,
    setgroups: 116,
    setresuid: 117,
    setresgid: 119,
    keyctl: 250,
    unshare: 272,
    setns: 308,
    mount: 165,
    umount2: 166,
    pivot_root: 155,
    mount_setattr: 442
  },
  arm64: {
    close: 57,
    close_range: 436,
    prctl: 167,
    capset: 91,
    setgroups: 159,
    setresuid: 147,
    setresgid: 149,
    keyctl: 219,
    unshare: 97,
    setns: 268,
    mount: 40,
    umount2: 39,
    pivot_root: 41,
    mount_setattr: 442
  }
} as const

/** The numbers of the system calls on this machine. Undefined where they are not known. */
export type Calls = { readonly [Name in keyof (typeof tables)["x64"]]: number }

const isKnown = (arch: string): arch is keyof typeof tables => Object.hasOwn(tables, arch)

/** The numbers for this machine. Undefined on other systems than Linux on x86-64 and arm64. */
export const calls: Calls | undefined =
  process.platform === "linux" && isKnown(process.arch) ? tables[process.arch] : undefined

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
