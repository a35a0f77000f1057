#!/usr/bin/env bash
# make demo: a real nginx, good and bad clients, and gatelog telling them apart.
#
# Builds gatelog, starts the lab's nginx and the agent in a temporary folder, sends clients in rounds,
# and prints what /metrics makes of them. Ctrl-C ends it: the report of its log, and nothing is left.
#   DEMO_ROUNDS=N          end after N rounds; 0, the default, means at Ctrl-C
#   DEMO_ROUND_SECONDS=2   the pause after each
#   DEMO_GATELOG=FILE      this binary; none is built
# Exit: 0, also at Ctrl-C once it runs; 1 when something failed, with the reason.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

readonly ROUNDS=${DEMO_ROUNDS:-0} ROUND_SECONDS=${DEMO_ROUND_SECONDS:-2}
readonly LAB=tests/lab/lab.sh
readonly LAB_PORTS=(18440 18540 18640 18740 18840) # the first ten free ones are taken
readonly GATELOG_PORT_FIRST=9496 GATELOG_PORT_LAST=9515
readonly START_TENTHS_MAX=100 STOP_TENTHS_MAX=100 COUNT_TENTHS_MAX=50
readonly QUIET_ROUNDS=3 # before the first bad client

dir='' gatelog='' gatelog_pid='' url='' ports='' what='' sent=0
declare -A total before # "verdict NAME" or "reason NAME" -> count now, and at the last line

if [ -t 1 ] && [ -z "${NO_COLOR-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
  declare -A colour=([rejected]=$'\e[31m' [missing]=$'\e[35m' [failed_open]=$'\e[7m')
else
  bold='' dim='' plain=''
  declare -A colour=()
fi

fail() {
  printf 'demo: %s\n' "$*" >&2
  exit 1
}

# ------------------------------------------------------------------ start and stop

stop_gatelog() {
  local tenth pid=$gatelog_pid
  [ -n "$pid" ] || return 0
  gatelog_pid=''
  kill -TERM "$pid" 2>/dev/null || true
  for ((tenth = 0; tenth < STOP_TENTHS_MAX; tenth++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null && printf 'demo: gatelog did not stop within 10 s\n' >&2
  wait "$pid" 2>/dev/null || true
}

# shellcheck disable=SC2317 # the trap calls it
clean_up() {
  trap '' INT TERM HUP
  stop_gatelog
  if [ -n "$dir" ]; then
    "$LAB" stop "$dir" || true
    rm -rf "$dir"
  fi
}

find_gatelog() {
  gatelog=${DEMO_GATELOG-}
  if [ -z "$gatelog" ]; then
    scripts/install-tools.sh cc
    printf 'Building gatelog; the first time takes minutes.\n'
    "${CARGO:-cargo}" build --release --locked
    gatelog=${CARGO_TARGET_DIR:-target}/release/gatelog
  fi
  [ -x "$gatelog" ] || fail "no program at $gatelog"
}

start_nginx() {
  local base status
  for base in "${LAB_PORTS[@]}"; do
    status=0
    "$LAB" start "$dir" "$base" >"$dir/lab.out" 2>&1 || status=$?
    case $status in
      0) ports="$base to $((base + 8))"; return ;;
      4) continue ;; # taken
      *) cat "$dir/lab.out" >&2; fail 'nginx did not start' ;;
    esac
  done
  fail "no ten free ports from any of ${LAB_PORTS[*]}"
}

free_port() {
  local port
  for ((port = GATELOG_PORT_FIRST; port <= GATELOG_PORT_LAST; port++)); do
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  fail "ports $GATELOG_PORT_FIRST to $GATELOG_PORT_LAST are all taken"
}

# In a session of its own: Ctrl-C is for this script, which then stops it.
start_gatelog() {
  local port tenth
  port=$(free_port)
  url=http://127.0.0.1:$port
  mkdir "$dir/state"
  STATE_DIRECTORY=$dir/state setsid "$gatelog" run --nginx-conf "$dir/nginx.conf" --from beginning \
    --listen "127.0.0.1:$port" "$dir/extended.log" </dev/null >"$dir/gatelog.out" 2>&1 &
  gatelog_pid=$!
  for ((tenth = 0; tenth < START_TENTHS_MAX; tenth++)); do
    ! metrics >/dev/null || return 0
    expect_gatelog
    sleep 0.1
  done
  cat "$dir/gatelog.out" >&2
  fail "gatelog does not answer on $url/metrics"
}

expect_gatelog() {
  kill -0 "$gatelog_pid" 2>/dev/null && return
  tail -n 20 "$dir/gatelog.out" >&2
  fail 'gatelog has ended'
}

# ------------------------------------------------------------------ clients

hit() { # SERVER CERT|- TLS PATH
  "$LAB" hit "$dir" "$1" "$2" "$3" "$4" >/dev/null || { printf 'no answer from %s.lab\n' "$1"; return 0; }
  sent=$((sent + 1))
}

# Sends what belongs to a round, and says in $what what is special about it. From the first bad client
# on, the locked-out one keeps trying.
send_round() { # ROUND
  hit on good 1.3 "/payments/$((4000 + $1))/capture"
  hit on ledger 1.2 /ledger/entries
  hit crl good 1.3 "/payments/$((4000 + $1))"
  if [ "$1" -gt "$QUIET_ROUNDS" ]; then
    while [ "$(date +%s)" -le "$inventory_ends" ]; do sleep 0.2; done
  fi
  hit on inventory 1.3 /stock/levels
  case $((($1 - 1) % 8 + 1)) in
    4) what="inventory's certificate ended" ;;
    5) what='a client without certificate'; hit on - 1.3 /payments/4711 ;;
    6) what='a stranger as checkout-service'; hit on untrusted 1.3 /payments/4711 ;;
    7) what='a revoked certificate'; hit crl revoked 1.2 /payments/4711 ;;
    8) what='self-signed, let in by mistake'; hit optional-no-ca selfsigned 1.3 /export ;;
    *) what='the usual clients' ;;
  esac
}

# ------------------------------------------------------------------ numbers

metrics() { curl -q -sf --noproxy '*' --max-time 5 "$url/metrics" 2>/dev/null; }

# Prints "verdict NAME COUNT" and "reason NAME COUNT" summed over servers and routes.
counts() {
  metrics | awk '
    function label(name) {
      return match($0, "[{,]" name "=\"[^\"\\\\]*\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : ""
    }
    /^gatelog_requests_total\{/ { sum["verdict " label("verdict")] += $NF }
    /^gatelog_verify_failures_total\{/ { sum["reason " label("reason")] += $NF }
    END { for (key in sum) print key, sum[key] }'
}

# Reads the counts until all that was sent is among them.
read_counts() {
  local tenth kind name count counted=0
  for ((tenth = 0; tenth < COUNT_TENTHS_MAX; tenth++)); do
    counted=0
    while read -r kind name count; do
      total[$kind $name]=$count
      [ "$kind" != verdict ] || counted=$((counted + count))
    done < <(counts)
    [ "$counted" -lt "$sent" ] || return 0
    expect_gatelog
    sleep 0.1
  done
  printf 'gatelog has counted %s of the %s requests so far\n' "$counted" "$sent"
}

change() { # KEY: by how much it rose since the last line
  echo $((${total[$1]:-0} - ${before[$1]:-0}))
}

print_head() {
  printf '%s%-8s  %-10s%-10s%-9s%-12s%s%s\n' "$bold" 'UTC' verified rejected missing 'failed open' 'now sent' "$plain"
}

print_cell() { # WIDTH VERDICT
  local rise text paint=''
  rise=$(change "verdict $2")
  text=${total[verdict $2]:-0}
  if [ "$rise" -gt 0 ]; then text+=" +$rise" paint=${colour[$2]-}; fi
  printf '%s%s%s%*s' "$paint" "$text" "${paint:+$plain}" $(($1 - ${#text})) ''
}

print_round() {
  local key name other=() rise
  printf '%s  ' "$(date -u +%H:%M:%S)"
  print_cell 10 verified
  print_cell 10 rejected
  print_cell 9 missing
  print_cell 12 failed_open
  printf '%s\n' "$what"
  while read -r key name; do
    rise=$(change "$key $name")
    [ "$rise" -gt 0 ] || continue
    case $key-$name in
      verdict-verified | verdict-rejected | verdict-missing | verdict-failed_open) ;;
      verdict-*) other+=("$name ${total[$key $name]} +$rise") ;;
      reason-*) printf '%s          %s %s +%s%s\n' "$dim" "$name" "${total[$key $name]}" "$rise" "$plain" ;;
    esac
  done < <(printf '%s\n' "${!total[@]}" | sort)
  [ ${#other[@]} = 0 ] || printf '          also: %s\n' "${other[*]}"
  for key in "${!total[@]}"; do before[$key]=${total[$key]}; done
}

# ------------------------------------------------------------------ the demo

finish() {
  trap '' INT TERM HUP
  stop_gatelog
  "$LAB" stop "$dir"
  printf '\n%s$ gatelog report extended.log%s\n' "$bold" "$plain"
  "$gatelog" report --nginx-conf "$dir/nginx.conf" "$dir/extended.log" </dev/null || fail 'gatelog report failed'
  printf '\nThe demo is over: nginx and gatelog have stopped.\n'
  exit 0
}

[[ $ROUNDS =~ ^[0-9]{1,6}$ ]] || fail "DEMO_ROUNDS is a number, not $ROUNDS"
[[ $ROUND_SECONDS =~ ^[0-9]{1,3}$ ]] || fail "DEMO_ROUND_SECONDS is a number of seconds, not $ROUND_SECONDS"
scripts/install-tools.sh nginx openssl curl awk
find_gatelog

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/gatelog-demo.XXXXXX")
start_nginx
# A client that is known and then locked out: its certificate ends when the quiet rounds are over.
lifetime_seconds=$((QUIET_ROUNDS * ROUND_SECONDS + 3))
inventory_ends=$(($(date +%s) + lifetime_seconds))
"$LAB" issue "$dir" inventory /O=warehouse/CN=inventory-service '-1 day' "@$inventory_ends"
start_gatelog

cat <<TEXT
nginx demands client certificates on 127.0.0.1, ports $ports.
Its log: $dir/extended.log
gatelog reads that, and answers on ${bold}$url/metrics${plain}, /readyz and /healthz
The numbers below are from $url/metrics
Ctrl-C ends the demo with a report.

TEXT
trap finish INT TERM HUP
for ((round = 1; ROUNDS == 0 || round <= ROUNDS; round++)); do
  [ $((round % 16)) != 1 ] || print_head
  send_round "$round"
  read_counts
  print_round
  sleep "$ROUND_SECONDS"
done
finish
