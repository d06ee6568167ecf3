/**
 * The filter of system calls of every program in a sandbox, as container runtimes have one.
 *
 * It refuses what no program in a sandbox needs and what reaches past the namespaces: kernel objects without a namespace
 * (keyrings), work that continues while a process is stopped (io_uring), new namespaces and mounts, and rarely used
 * parts of the kernel with a history of faults.
 *
 * @since 0.1.0
 */

/** Numbers of system calls on x86-64 and arm64. Undefined where the architecture has no such call. */
const refused = {
  // Keyrings belong to a user and a session of the host, not to a namespace.
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  // Mounts and namespaces.
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  setns: [308, 268],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  open_tree_attr: [467, 467],
  // Files by number instead of by path.
  open_by_handle_at: [304, 265],
  // Parts of the kernel that programs of agents do not use.
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  lookup_dcookie: [212, 18],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  // The machine itself.
  acct: [163, 89],
  swapon: [167, 224],
  swapoff: [168, 225],
  reboot: [169, 142],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  iopl: [172, undefined],
  ioperm: [173, undefined],
  init_module: [175, 105],
  delete_module: [176, 106],
  finit_module: [313, 273],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  syslog: [103, 116],
  vhangup: [153, 58]
} as const satisfies Record<string, readonly [number, number | undefined]>

/** Refused as if the kernel did not have them, so that programs take the older way. */
const unknown = {
  // Its flags are in memory, where a filter cannot read them.
  clone3: [435, 435],
  // Its requests run on while the process that made them is stopped.
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427]
} as const

/**
 * Ways to have the kernel send SIGCONT later. Refused where a pause stops the processes by signals, because they would
 * continue a stopped process. Programs fall back to `setitimer`.
 */
const delayed = {
  timer_create: [222, 107],
  mq_notify: [244, 184]
} as const

/** Calls that only these arguments make refused. */
const byArgument = {
  clone: [56, 220],
  unshare: [272, 97],
  ioctl: [16, 29],
  socket: [41, 198],
  fcntl: [72, 25],
  prctl: [157, 167]
} as const

const architectures = {
  x64: { at: 0, audit: 0xc000003e },
  arm64: { at: 1, audit: 0xc00000b7 }
} as const

// Every flag of clone and unshare that makes a namespace.
const NAMESPACES = 0x7e020080
// For clone, 0x80 is part of the signal.
const CLONE_NAMESPACES = 0x7e020000
// They put input into a terminal, also into the one of another program.
const TERMINAL_INPUT = [0x5412, 0x541c]
// AF_VSOCK reaches the hypervisor, AF_RXRPC the keyrings, AF_ALG the ciphers of the kernel.
const FAMILIES = [40, 33, 38]

const F_SETSIG = 10
const PR_SET_PDEATHSIG = 1
const SIGCONT = 18

const EPERM = 1
const ENOSYS = 38
const EAFNOSUPPORT = 97

interface Instruction {
  readonly code: number
  readonly whenTrue: number
  readonly whenFalse: number
  readonly value: number
}

const load = (offset: number): Instruction => ({ code: 0x20, whenTrue: 0, whenFalse: 0, value: offset })
const end = (value: number): Instruction => ({ code: 0x06, whenTrue: 0, whenFalse: 0, value })
const jump = (code: number, value: number, whenTrue: number, whenFalse: number): Instruction => ({
  code,
  whenTrue,
  whenFalse,
  value
})
const equals = (value: number, whenTrue: number, whenFalse: number) => jump(0x15, value, whenTrue, whenFalse)
const isAtLeast = (value: number, whenTrue: number, whenFalse: number) =>
  jump(0x35, value, whenTrue, whenFalse)
const hasAny = (bits: number, whenTrue: number, whenFalse: number) => jump(0x45, bits, whenTrue, whenFalse)

const allow = end(0x7fff0000)
const fail = (errno: number) => end(0x00050000 | errno)

// Offsets in struct seccomp_data. Both architectures are little-endian, so the low word of an argument comes first.
const NUMBER = 0
const ARCHITECTURE = 4
const argument = (index: number) => 16 + 8 * index

/** Refuses a call when an argument fits. The number of the call is loaded, before and after. */
const when = (number: number, index: number, tests: ReadonlyArray<Instruction>): Array<Instruction> => [
  equals(number, 0, tests.length + 2),
  load(argument(index)),
  ...tests,
  allow
]

/** Refuses a call when two arguments have these values. */
const whenBoth = (number: number, first: readonly [number, number], second: readonly [number, number]) => [
  equals(number, 0, 6),
  load(argument(first[0])),
  equals(first[1], 0, 3),
  load(argument(second[0])),
  equals(second[1], 0, 1),
  fail(EPERM),
  allow
]

const oneOf = (values: ReadonlyArray<number>, errno: number) =>
  values.flatMap((value) => [equals(value, 0, 1), fail(errno)])

/** What programs may do that they may not do by default. */
export interface Options {
  /** User namespaces, and with them mounts: for programs that have a sandbox of their own, such as Chromium. */
  readonly userNamespaces: boolean
  /** Whether a pause stops programs by signals. */
  readonly pausedBySignals: boolean
}

// What a program needs to build a sandbox of its own in a user namespace.
const ownSandbox = new Set(["mount", "umount2", "pivot_root", "chroot", "setns", "sethostname"])

/** The filter for an architecture, as the array of `struct sock_filter` that the kernel takes. */
export const filter = (arch: "x64" | "arm64", options: Options): Buffer => {
  const { at, audit } = architectures[arch]
  const numbers = (table: Readonly<Record<string, readonly [number, number | undefined]>>) =>
    Object.entries(table).flatMap(([name, both]) =>
      both[at] === undefined || (options.userNamespaces && ownSandbox.has(name)) ? [] : [both[at]]
    )
  const program = [
    load(ARCHITECTURE),
    // Otherwise a 32-bit program would have other numbers.
    equals(audit, 1, 0),
    fail(ENOSYS),
    load(NUMBER),
    // x32, which has the numbers of x86-64 with this bit.
    ...(arch === "x64" ? [isAtLeast(0x40000000, 0, 1), fail(ENOSYS)] : []),
    ...oneOf(numbers(unknown), ENOSYS),
    ...oneOf(numbers(refused), EPERM),
    ...(options.userNamespaces
      ? []
      : [
          ...when(byArgument.clone[at], 0, [hasAny(CLONE_NAMESPACES, 0, 1), fail(EPERM)]),
          ...when(byArgument.unshare[at], 0, [hasAny(NAMESPACES, 0, 1), fail(EPERM)])
        ]),
    ...when(byArgument.ioctl[at], 1, oneOf(TERMINAL_INPUT, EPERM)),
    ...(options.pausedBySignals
      ? [
          ...oneOf(numbers(delayed), ENOSYS),
          ...whenBoth(byArgument.fcntl[at], [1, F_SETSIG], [2, SIGCONT]),
          ...whenBoth(byArgument.prctl[at], [0, PR_SET_PDEATHSIG], [1, SIGCONT])
        ]
      : []),
    ...when(byArgument.socket[at], 0, oneOf(FAMILIES, EAFNOSUPPORT)),
    allow
  ]
  const buffer = Buffer.alloc(program.length * 8)
  for (const [index, { code, value, whenFalse, whenTrue }] of program.entries()) {
    buffer.writeUInt16LE(code, index * 8)
    buffer.writeUInt8(whenTrue, index * 8 + 2)
    buffer.writeUInt8(whenFalse, index * 8 + 3)
    buffer.writeUInt32LE(value >>> 0, index * 8 + 4)
  }
  return buffer
}
