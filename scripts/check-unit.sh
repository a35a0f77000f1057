#!/usr/bin/env bash
# Checks config/gatelog.service with systemd-analyze, without systemd running:  scripts/check-unit.sh
#
# The unit is understood without a warning, its exposure is at most the figure below, and the system
# calls that the agent was seen to make are allowed. Where there is no systemd-analyze it says so.
# Exit: 0 all well, or nothing to check with; 1 something is wrong.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

# Of 100; 15 with systemd 252: what is left is the network, the group adm and the root directory.
readonly EXPOSURE_MAX=20
# Landlock for the sandbox, what files are followed and written with, what threads and sockets are made
# of: as `strace -f -c` shows them.
readonly NEEDED=(landlock_create_ruleset landlock_add_rule landlock_restrict_self inotify_init inotify_init1
  inotify_add_watch statx pread64 pwrite64 fsync fdatasync fallocate ftruncate flock fcntl mmap mremap madvise
  clone3 rseq futex epoll_create1 epoll_wait eventfd2 accept4 socketpair getrandom prctl sched_getaffinity unlink rename)

fail() { printf 'check-unit: %s\n' "$*" >&2; exit 1; }

if ! command -v systemd-analyze >/dev/null; then
  echo 'check-unit: SKIPPED, systemd-analyze is not installed' >&2
  exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# The program need not be installed for its unit to be right.
sed 's|^ExecStart=/usr/local/bin/gatelog|ExecStart=/bin/true|' config/gatelog.service >"$dir/gatelog.service"
said=$(systemd-analyze verify --man=no "$dir/gatelog.service" 2>&1) || fail "not understood: $said"
[ -z "$said" ] || fail "not understood: $said"

systemd-analyze security --offline=true --no-pager --threshold="$EXPOSURE_MAX" "$dir/gatelog.service" >"$dir/exposure" ||
  fail "more exposed than $EXPOSURE_MAX: $(tail -n 1 "$dir/exposure")"

# Prints the system calls of a group or of a name.
calls() { # NAME...
  local name
  for name; do
    case $name in
      @*) mapfile -t members < <(systemd-analyze syscall-filter "$name" | sed '1d; s/#.*//; s/ //g; /^$/d')
        calls "${members[@]}" ;;
      *) echo "$name" ;;
    esac
  done
}
mapfile -t allowed < <(sed -n 's/^SystemCallFilter=\([^~].*\)/\1/p' config/gatelog.service | tr ' ' '\n')
mapfile -t denied < <(sed -n 's/^SystemCallFilter=~//p' config/gatelog.service | tr ' ' '\n')
comm -23 <(calls "${allowed[@]}" | sort -u) <(calls "${denied[@]}" | sort -u) >"$dir/calls"
for call in "${NEEDED[@]}"; do
  grep -qx "$call" "$dir/calls" || fail "SystemCallFilter keeps out $call, which the agent needs"
done
