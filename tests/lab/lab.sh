#!/usr/bin/env bash
# A real nginx with client certificates, on loopback, for tests and the demo.
#
#   lab.sh start DIR PORT_BASE                          starts it; prints "SERVER PORT" for each server
#   lab.sh hit DIR SERVER CERT|- TLS PATH [CURL...]     one request; prints the status it got
#   lab.sh issue DIR NAME SUBJECT NOT_BEFORE NOT_AFTER  one more client certificate, as pki.sh does
#   lab.sh reopen DIR | lab.sh reload DIR               nginx opens its logs again; reads nginx.conf again
#   lab.sh stop DIR                                     stops that nginx, and no other
#
# TLS is 1.2 or 1.3. start needs the ten ports from PORT_BASE and makes the certificates in DIR/pki
# unless they are there, or takes those of $LAB_PKI. hit sends $LAB_CASE as X-Case, by default
# SERVER.CERT.tTLS; it reaches DIR/labels.log beside the request's id.
# Exit: 0 done; 1 failed, with the reason; 2 usage; 3 no nginx, openssl or curl; 4 a port is taken.
# hit: 0 whenever the server answered, whatever it said; else curl's own exit status.
set -euo pipefail
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # nginx is there, and an ordinary user does not look there
HERE=$(dirname "$(readlink -f "$0")")

# In the order of their ports, from PORT_BASE up. The last is the upstream of `proxy`, without TLS.
readonly SERVERS=(on optional optional-no-ca off courtesy200 courtesy302 crl stale-crl proxy upstream)
readonly HIT_SECONDS_MAX=10
readonly START_TENTHS_MAX=50 # of a second; nginx listens before it leaves the foreground
readonly QUIT_TENTHS_MAX=30  # then it is told to stop without waiting for its connections

say() { printf 'lab.sh: %s\n' "$*" >&2; }
usage() {
  sed -n '/^#   lab.sh/s/^#   /usage: /p' "$0" >&2
  exit 2
}

need() { # TOOL...
  local tool
  for tool; do
    command -v "$tool" >/dev/null || { say "missing: $tool"; exit 3; }
  done
}

port_of() { # SERVER PORT_BASE
  local index
  for index in "${!SERVERS[@]}"; do
    [ "${SERVERS[index]}" != "$1" ] || { echo $(($2 + index)); return; }
  done
  say "no server \`$1\`; there are: ${SERVERS[*]}"
  exit 2
}

write_nginx_conf() { # DIR PORT_BASE
  local name script=() user=
  [ "$(id -u)" != 0 ] || user='user root;'
  for name in "${SERVERS[@]}"; do script+=(-e "s/@$name@/$(port_of "$name" "$2")/"); done
  sed -e "s|@DIR@|$1|" -e "s/^@USER@/$user/" "${script[@]}" "$HERE/nginx.conf.in" >"$1/nginx.conf"
}

# ------------------------------------------------------------------ the process

# Prints the id of the nginx that runs in DIR. The file alone is not enough: the id may have gone to
# another process since.
pid_of() { # DIR
  local pid title
  [ -s "$1/nginx.pid" ] || return 1
  pid=$(<"$1/nginx.pid")
  title=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
  [[ $title == "nginx: master process"*" -p $1/ "* ]] || return 1
  echo "$pid"
}

run_nginx() { # DIR
  local dir=$1 options=()
  # Before 1.19.5 there is no -e, and an ordinary user gets an alert about /var/log that does no harm.
  ! nginx -h 2>&1 | grep -qF -- '-e filename' || options=(-e "$dir/error.log")
  nginx -p "$dir/" "${options[@]}" -c "$dir/nginx.conf" </dev/null >"$dir/start.log" 2>&1 && return
  if grep -q 'Address already in use' "$dir/start.log"; then
    say "a port is taken: $(grep -o -m 1 'bind() to [^ ]*' "$dir/start.log")"
    return 4
  fi
  say 'nginx did not start:'
  tail -n 5 "$dir/start.log" >&2
  return 1
}

start() { # DIR PORT_BASE
  need nginx openssl curl
  if ! [[ $2 =~ ^[1-9][0-9]{3,4}$ ]] || (($2 < 1024 || $2 > 65526)); then
    say "PORT_BASE is 1024 to 65526, not $2"
    exit 2
  fi
  local dir base=$2 tenth name
  dir=$(readlink -m "$1")
  [[ $dir =~ ^[A-Za-z0-9_./+-]+$ ]] || { say "DIR goes into nginx.conf and must be plain: $dir"; exit 2; }
  mkdir -p "$dir"
  ! pid_of "$dir" >/dev/null || { say "already running in $dir"; exit 1; }
  rm -f "$dir/nginx.pid"
  if [ ! -e "$dir/pki/certs.tsv" ]; then
    if [ -n "${LAB_PKI-}" ]; then ln -sfn "$(readlink -f "$LAB_PKI")" "$dir/pki"; else "$HERE/pki.sh" "$dir/pki"; fi
  fi
  mkdir -p "$dir/temp"
  write_nginx_conf "$dir" "$base"
  echo "$base" >"$dir/port_base"
  run_nginx "$dir" || exit
  for ((tenth = 0; ; tenth++)); do
    pid_of "$dir" >/dev/null && answers "$(port_of upstream "$base")" && break
    [ "$tenth" -lt "$START_TENTHS_MAX" ] || { say "nginx does not answer, see $dir/error.log"; stop "$dir"; exit 1; }
    sleep 0.1
  done
  for name in "${SERVERS[@]}"; do echo "$name $(port_of "$name" "$base")"; done
}

# The plain port tells for all of them, since nginx listens on all or none, and leaves no line in a log.
answers() { # PORT
  (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

stop() { # DIR
  local dir pid tenth
  dir=$(readlink -m "$1")
  pid=$(pid_of "$dir") || return 0
  kill -QUIT "$pid" 2>/dev/null || return 0
  for ((tenth = 0; tenth < QUIT_TENTHS_MAX + 20; tenth++)); do
    pid_of "$dir" >/dev/null || return 0
    [ "$tenth" != "$QUIT_TENTHS_MAX" ] || kill -TERM "$pid" 2>/dev/null || true
    sleep 0.1
  done
  say "nginx in $dir does not stop (process $pid)"
  return 1
}

tell() { # DIR SIGNAL
  local dir pid
  dir=$(readlink -m "$1")
  pid=$(pid_of "$dir") || { say "no nginx runs in $dir"; exit 1; }
  kill "-$2" "$pid"
}

hit() { # DIR SERVER CERT|- TLS PATH [CURL...]
  local dir=$1 name=${2//_/-} cert=$3 tls=$4 path=$5 port who=()
  shift 5
  need curl
  [ -e "$dir/port_base" ] || { say "no lab was started in $dir"; exit 1; }
  port=$(port_of "$name" "$(<"$dir/port_base")")
  case $tls in 1.2 | 1.3) ;; *) usage ;; esac
  if [ "$cert" != - ]; then
    [ -e "$dir/pki/$cert.pem" ] || { say "no certificate \`$cert\` in $dir/pki"; exit 2; }
    who=(--cert "$dir/pki/$cert.pem" --key "$dir/pki/$cert.key")
  fi
  OPENSSL_CONF=$dir/pki/openssl.cnf curl -q -s --noproxy '*' --http1.1 --path-as-is --globoff \
    -o /dev/null -w '%{http_code}\n' --max-time "$HIT_SECONDS_MAX" \
    --cacert "$dir/pki/server-ca.pem" --resolve "$name.lab:$port:127.0.0.1" \
    --tlsv"$tls" --tls-max "$tls" "${who[@]}" -A gatelog-lab/1.0 \
    -H "X-Case: ${LAB_CASE:-$name.${cert/#-/none}.t${tls/./}}" "$@" "https://$name.lab:$port$path" </dev/null
}

case ${1-} in
  start) [ $# = 3 ] || usage; start "$2" "$3" ;;
  stop) [ $# = 2 ] || usage; stop "$2" ;;
  reopen) [ $# = 2 ] || usage; tell "$2" USR1 ;;
  reload) [ $# = 2 ] || usage; tell "$2" HUP ;;
  hit) [ $# -ge 6 ] || usage; shift; hit "$@" ;;
  issue) [ $# = 6 ] || usage; shift; dir=$1; shift; exec "$HERE/pki.sh" issue "$dir/pki" "$@" ;;
  *) usage ;;
esac
