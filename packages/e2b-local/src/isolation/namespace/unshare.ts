/**
 * Isolation with util-linux alone: `unshare`, `mount`, `pivot_root`, `nsenter`, `setpriv`.
 *
 * @since 0.1.0
 */
import { Effect, Option } from "effect"
import { existsSync } from "node:fs"
import { bootProgram } from "./bootProgram.ts"
import * as NamespaceRuntime from "./NamespaceRuntime.ts"
import type { Item, Owners } from "./mounts.ts"
import type { Boot } from "../SandboxRuntime.ts"

// $1 is the new root, $2 is "net" for a separate network and $3 is "last" to forbid further user namespaces. Triples of
// kind, source and target follow up to "--", then the command that becomes PID 1.
const bootScript = `
umask 022
root=$1 net=$2
[ "$3" != last ] || echo 0 > /proc/sys/user/max_user_namespaces 2>/dev/null || :
shift 3
mount -t tmpfs -o size=4m,mode=755 tmpfs "$root"
cd "$root"
place() {
  if [ -d "$1" ]; then mkdir -p ".$2"; else mkdir -p ".\${2%/*}"; [ -e ".$2" ] || : > ".$2"; fi
}
# In a user namespace a mount must keep restrictions such as noexec.
restrict() {
  mount -o "remount,bind,nosuid,nodev$2" "$1" 2>/dev/null || mount -o "remount,bind,nosuid,nodev,noexec$2" "$1"
}
# What is mounted below a folder comes with it and has restrictions of its own.
below() {
  while read -r _ _ _ _ at _; do
    case $at in "$root$1"/*) restrict "$(printf '%b' "$at")" ,ro ;; esac
  done < /proc/self/mountinfo
}
while [ "$1" != -- ]; do
  case $1 in
    ro) place "$2" "$3"; mount --rbind "$2" ".$3"; restrict ".$3" ,ro; below "$3" ;;
    mask) [ ! -e ".$3" ] || mount --bind /dev/null ".$3" ;;
    rw) place "$2" "$3"; mount --bind "$2" ".$3"; restrict ".$3" "" ;;
    dev) place "$2" "$3"; mount --bind "$2" ".$3" ;;
    link) mkdir -p ".\${3%/*}"; ln -s "$2" ".$3" ;;
    # Without devpts in the kernel only terminals are missing.
    pts)
      mkdir -p ".$3/pts"
      mount -t devpts -o newinstance,ptmxmode=0666,mode=620,nosuid,noexec devpts ".$3/pts" 2>/dev/null || :
      ln -s pts/ptmx ".$3/ptmx" ;;
    proc) mkdir -p ".$3"; mount -t proc -o nosuid,nodev,noexec proc ".$3" ;;
    shm) mkdir -p ".$3"; mount -t tmpfs -o nosuid,nodev,size=256m,mode=1777 tmpfs ".$3" ;;
  esac
  shift 3
done
shift
hostname sandbox 2>/dev/null || :
if [ "$net" = net ]; then
  ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null || perl -e '
    use Socket; socket(S, PF_INET, SOCK_DGRAM, 0) or exit 1; ioctl(S, 0x8914, pack("a16s", "lo", 65)) or exit 1' || {
    echo "the loopback of a network namespace could not be brought up: install iproute2" >&2; exit 1; }
fi
mkdir -p run .old
pivot_root . .old
umount -i -n -l -c /.old
rmdir /.old
mount -o remount,bind,ro / 2>/dev/null || mount -o remount,ro /
cd /
exec "$@"
`

const triple = (item: Item): ReadonlyArray<string> => [
  item.kind,
  "source" in item ? item.source : "",
  item.target
]

/** Boots a sandbox. `owners` are set when the server runs as root. */
export const boot = Effect.fnUntraced(function* (
  request: Boot,
  items: ReadonlyArray<Item>,
  root: string,
  owners: Option.Option<Owners>
) {
  const program = bootProgram()
  return yield* NamespaceRuntime.boot({
    boot: request,
    owners,
    nestedUser: false,
    becomesInit: program !== undefined,
    command: [
      "unshare",
      ...(Option.isNone(owners) ? ["--user", "--map-user=1000", "--map-group=1000", "--keep-caps"] : []),
      "--mount",
      "--pid",
      "--ipc",
      "--uts",
      ...(existsSync("/proc/self/ns/cgroup") ? ["--cgroup"] : []),
      ...(request.internet ? [] : ["--net"]),
      "--fork",
      "--kill-child",
      "--propagation",
      "private",
      ...(program === undefined ? ["sh", "-euc", bootScript, "sh"] : ["perl", "-e", program, "--"]),
      root,
      request.internet ? "host" : "net",
      Option.isNone(owners) && !request.userNamespaces ? "last" : "more",
      ...items.flatMap(triple)
    ]
  })
})
