#!/usr/bin/env bash
# Makes sure that the named tools are there:  scripts/install-tools.sh TOOL...
#
# Says nothing when they are. Otherwise installs the Debian packages that hold them, as root or
# through a sudo that asks no password, without starting or enabling any service. Where that cannot
# be done, one line names what is missing and how to get it.
# Exit: 0 all there; 1 the installation failed; 2 unknown tool; 3 missing, and not ours to install.
set -euo pipefail
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # nginx is there, and an ordinary user does not look there

readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK='# Temporary, by gatelog scripts/install-tools.sh: start no service.'
readonly LOCK=/run/gatelog-install-tools.lock
readonly LOCK_SECONDS_MAX=600
readonly LISTS_TRIES_MAX=60 # 5 s apart: apt-get update does not wait for another one by itself
readonly APT=(apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold)

say() { printf 'install-tools: %s\n' "$*" >&2; }

package_of() { # TOOL: prints the Debian package that holds it
  case $1 in
    cc | c++ | g++ | gcc | make) echo build-essential ;;
    promtool | prometheus) echo prometheus ;;
    amtool | alertmanager) echo prometheus-alertmanager ;;
    awk) echo mawk ;;
    curl | git | goaccess | jq | mtail | nginx | openssl | shellcheck | sqlite3 | strace | valgrind) echo "$1" ;;
    *) return 1 ;;
  esac
}

program_of() { # TOOL: prints the program to look for
  case $1 in
    alertmanager) echo prometheus-alertmanager ;;
    *) echo "$1" ;;
  esac
}

# Prints the packages of those of the tools that are missing, each once.
missing_packages() { # TOOL...
  local tool
  for tool; do
    command -v "$(program_of "$tool")" >/dev/null || package_of "$tool"
  done | sort -u
}

# ------------------------------------------------------------------ the part that runs as root

# Prints "PID NAME" of each process that is a service of these packages, started by the system: nginx
# with the arguments of its unit, the others under their own user. A test's own nginx has a -p.
service_processes() {
  local dir name
  for dir in /proc/[0-9]*; do
    { read -r name <"$dir/comm"; } 2>/dev/null || continue
    case $name in
      nginx) ! grep -qz -- ' -p ' "$dir/cmdline" 2>/dev/null || continue ;;
      prometheus | prometheus-aler* | alertmanager) [ "$(stat -c %U "$dir" 2>/dev/null)" = prometheus ] || continue ;;
      *) continue ;;
    esac
    [ "$(awk '/^PPid:/ { print $2 }' "$dir/status" 2>/dev/null)" = 1 ] || continue
    echo "${dir#/proc/} $name"
  done
}

# Prints the units that start with the system.
enabled_units() {
  find /etc/systemd/system -path '*.wants/*' -name '*.service' -printf '%f\n' 2>/dev/null | sort -u
}

update_lists() { # LOG
  local try
  for ((try = 1; try <= LISTS_TRIES_MAX; try++)); do
    "${APT[@]}" update >>"$1" 2>&1 && return
    tail -n 5 "$1" | grep -q 'Could not get lock' || return
    sleep 5
  done
  return 1
}

apt_install() { # LOG PACKAGE...
  local log=$1
  shift
  apt-cache show --no-all-versions "$@" >/dev/null 2>&1 || update_lists "$log" || return
  "${APT[@]}" install -y --no-install-recommends "$@" >>"$log" 2>&1 && return
  # The lists may be older than the archive: once more with fresh ones.
  update_lists "$log" && "${APT[@]}" install -y --no-install-recommends "$@" >>"$log" 2>&1
}

install_as_root() { # LOG PACKAGE...
  local log=$1 processes units started enabled
  # One at a time: a second run that relied on the first one's policy file would lose it half way.
  exec 9>"$LOCK"
  flock -w "$LOCK_SECONDS_MAX" 9 || { say "another installation holds $LOCK"; return 1; }
  processes=$(service_processes | sort) units=$(enabled_units)

  # A file with our mark is left from a run that was killed, since the lock is ours.
  if [ ! -e "$POLICY" ] || grep -qxF "$POLICY_MARK" "$POLICY"; then
    trap 'rm -f "$POLICY"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
    chmod 755 "$POLICY"
  fi

  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8
  if ! apt_install "$@" </dev/null; then
    say "apt-get could not install ${*:2}; the end of its output ($log):"
    tail -n 25 "$log" >&2
    return 1
  fi

  # Packages enable their unit for the next start of the machine: a tool for tests should not.
  enabled=$(comm -13 <(echo "$units") <(enabled_units))
  if [ -n "$enabled" ]; then
    # shellcheck disable=SC2086 # one word for each unit
    systemctl disable $enabled >>"$log" 2>&1 || { say "could not disable" $enabled; return 1; }
  fi
  started=$(comm -13 <(echo "$processes") <(service_processes | sort))
  if [ -n "$started" ]; then
    say "a service came up and should not have; stop it by hand: ${started//$'\n'/, }"
    return 1
  fi
}

# ------------------------------------------------------------------ from here as the user

if [ "${1-}" = --as-root ]; then
  [ "$(id -u)" = 0 ] || { say '--as-root is for this script itself'; exit 2; }
  shift
  install_as_root "$@"
  exit
fi

for tool; do
  package_of "$tool" >/dev/null || { say "unknown tool \`$tool\`"; exit 2; }
done
mapfile -t packages < <(missing_packages "$@")
[ ${#packages[@]} -gt 0 ] || exit 0

missing=()
for tool; do command -v "$(program_of "$tool")" >/dev/null || missing+=("$tool"); done
if [ ! -e /etc/debian_version ] || ! command -v apt-get >/dev/null; then
  say "missing: ${missing[*]}; install them with this system's packages (Debian calls them: ${packages[*]})"
  exit 3
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
  as_root=(sudo -n)
  if ! sudo -n true 2>/dev/null; then
    say "missing: ${missing[*]}; as root: apt-get install --no-install-recommends ${packages[*]}"
    exit 3
  fi
fi

log=$(mktemp "${TMPDIR:-/tmp}/gatelog-install-tools.XXXXXX")
say "installing ${packages[*]} for ${missing[*]}"
"${as_root[@]}" "$(readlink -f "$0")" --as-root "$log" "${packages[@]}"
rm -f "$log"
hash -r
for tool in "${missing[@]}"; do
  command -v "$(program_of "$tool")" >/dev/null || { say "${packages[*]} installed, but $tool is still missing"; exit 1; }
done
