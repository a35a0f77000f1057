#!/usr/bin/env bash
# Measures gatelog and its peers on generated logs and prints the result as Markdown:  scripts/bench.sh
#
#   BENCH_LINES   lines of each log, 1000000
#   BENCH_ROUNDS  how often each program runs, 5; the fastest run counts
#   BENCH_PEERS   0 leaves the peers out
#
# All programs of a round run one after the other, so that each meets the same weather; the fastest run of each
# is what the machine can do, since what others do beside it only adds time. Logs lie in target/bench and in the
# page cache. What it does goes to standard error; standard output is the tables alone.
# Exit: 0 measured, whatever the figures; 1 something could not be built or run.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

readonly LINES_COUNT=${BENCH_LINES:-1000000} ROUNDS=${BENCH_ROUNDS:-5}
readonly PEER_ROUNDS=2 SLOW_PEER_SHARE=10 # mtail reads a tenth of the log
readonly DUCKDB=2.0.0 CHDB=4.4.0 PIP_SECONDS_MAX=300
readonly CARGO=${CARGO:-cargo} TARGET=${CARGO_TARGET_DIR:-target}
readonly DIR=$TARGET/bench GATELOG=$TARGET/release/gatelog GENERATE=$TARGET/release/generate-log

declare -A best # microseconds of the fastest run, by name

say() { printf 'bench: %s\n' "$*" >&2; }

# Runs a command with nothing to see and keeps its time under NAME when it is the best so far.
clock() { # NAME COMMAND...
  local name=$1 begin=${EPOCHREALTIME/./} took
  shift
  "$@" >/dev/null 2>"$DIR/stderr" </dev/null || {
    say "failed: $*"
    tail -n 5 "$DIR/stderr" >&2
    return 1
  }
  took=$((${EPOCHREALTIME/./} - begin))
  [ -n "${best[$name]-}" ] && [ "${best[$name]}" -le "$took" ] || best[$name]=$took
}

# The processors that this script may use, one a line.
processors() {
  sed -n 's/^Cpus_allowed_list:[ \t]*//p' /proc/self/status | tr , '\n' |
    awk -F- '{ for (cpu = $1; cpu <= (NF > 1 ? $2 : $1); cpu++) print cpu }'
}

generate() { # FILE OPTION...: writes a log unless the same one is there
  local file=$DIR/$1
  shift
  [ "$(cat "$file.options" 2>/dev/null)" != "$LINES_COUNT $*" ] || [ "$GENERATE" -nt "$file" ] || return 0
  rm -f "$file.options"
  "$GENERATE" --lines "$LINES_COUNT" "$@" >"$file"
  echo "$LINES_COUNT $*" >"$file.options"
}

generate_all() {
  say "generating logs of $LINES_COUNT lines in $DIR"
  generate extended.log
  generate json.log --format json
  generate few.log --certificates 100 --paths 10
  generate many.log --certificates 100000 --paths 10000
  [ "$DIR/extended.log.gz" -nt "$DIR/extended.log" ] || gzip -6 -c "$DIR/extended.log" >"$DIR/extended.log.gz"
  head -n $((LINES_COUNT / SLOW_PEER_SHARE)) "$DIR/extended.log" >"$DIR/short.log"
  cat "$DIR"/*.log "$DIR"/*.gz >/dev/null
}

measure_gatelog() {
  local round one=(taskset -c "$one_core") two=(taskset -c "$two_cores")
  for ((round = 1; round <= ROUNDS; round++)); do
    say "round $round of $ROUNDS"
    clock wc "${one[@]}" wc -l "$DIR/extended.log"
    clock report "${one[@]}" "$GATELOG" report "$DIR/extended.log"
    clock json "${one[@]}" "$GATELOG" report "$DIR/json.log"
    clock parse "${one[@]}" "$GATELOG" parse "$DIR/extended.log"
    clock few "${one[@]}" "$GATELOG" report "$DIR/few.log"
    clock many "${one[@]}" "$GATELOG" report "$DIR/many.log"
    clock zcat "${two[@]}" zcat "$DIR/extended.log.gz"
    clock gz "${two[@]}" "$GATELOG" report "$DIR/extended.log.gz"
    [ "$two_cores" = "$one_core" ] || clock report2 "${two[@]}" "$GATELOG" report "$DIR/extended.log"
  done
}

# The figures of a running agent, `name<TAB>figure<TAB>unit` a row.
measure_agent() {
  say 'the agent, for half a minute'
  "$TARGET/release/examples/bench-agent" --program "$GATELOG" --log "$DIR/extended.log" >"$DIR/agent.tsv" 2>"$DIR/agent.txt" || {
    say 'the agent was not measured'
    tail -n 5 "$DIR/agent.txt" >&2
    : >"$DIR/agent.tsv"
  }
}

agent() { awk -F '\t' -v name="$1" '$1 == name { print $2 }' "$DIR/agent.tsv"; } # NAME: prints its figure

# One row of the first table. RELATION is `<=` or `>=`.
row() { # WHAT TARGET_TEXT FIGURE RELATION TARGET UNIT
  local reached=no
  if [ -z "$3" ]; then
    printf '| %s | %s | not measured | |\n' "$1" "$2"
    return
  fi
  if awk "BEGIN { exit !($3 $4 $5) }"; then reached=yes; else reached='**no**'; fi
  printf '| %s | %s | %s%s | %s |\n' "$1" "$2" "$3" "$6" "$reached"
}

ratio() { # NAME OTHER: prints how many times as long NAME took, nothing when one was not measured
  [ -z "${best[$1]-}" ] || [ -z "${best[$2]-}" ] || awk "BEGIN { printf \"%.2f\", ${best[$1]} / ${best[$2]} }"
}

nanoseconds() { awk "BEGIN { printf \"%.0f\", ${best[$1]} * 1000 / $LINES_COUNT }"; } # NAME: prints them for a line

print_head() {
  local model bytes
  model=$(sed -n 's/^model name[ \t]*: //p' /proc/cpuinfo | head -n 1)
  bytes=$(($(stat -c %s "$DIR/extended.log") / LINES_COUNT))
  printf '%s, %s, %s cores, Linux %s, %s.\n' "$(date -u +'%-d %B %Y')" "${model:-$(uname -m)}" "$(nproc)" \
    "$(uname -r | cut -d - -f 1)" "$("${RUSTC:-rustc}" --version | cut -d ' ' -f 1,2)"
  printf '%s lines of %s bytes on average, in the page cache; the fastest of %s runs.\n' "$LINES_COUNT" "$bytes" "$ROUNDS"
  printf 'On one core `report` takes %s ns a line (%s GB/s), `wc -l` %s ns.\n\n' "$(nanoseconds report)" \
    "$(awk "BEGIN { printf \"%.2f\", $bytes / $(nanoseconds report) }")" "$(nanoseconds wc)"
}

print_gatelog() {
  local scrape stall
  scrape=$(agent scrape_ms) stall=$(agent scrape_stall_ms)
  echo '| what | target | here | reached |'
  echo '|---|---|---|---|'
  row '`report` on one core, against `wc -l`' 'at most 4 times' "$(ratio report wc)" '<=' 4 ' times'
  row '`report` on two cores' 'at least 1.8 times faster' "$(ratio report report2)" '>=' 1.8 ' times'
  row '`report` of `.gz`, against `zcat`' 'at most 1.3 times' "$(ratio gz zcat)" '<=' 1.3 ' times'
  row '`report` of JSON, against the extended format' 'at most 1.3 times' "$(ratio json report)" '<=' 1.3 ' times'
  row '`parse`, against `report`' 'at most 3 times' "$(ratio parse report)" '<=' 3 ' times'
  row '`run`, CPU a line at 20,000 lines/s, `buffer=64k`, against `report`' 'at most 1.5 times' "$(agent run_to_report)" '<=' 1.5 ' times'
  row '100,000 certificates and 10,000 paths, against 100 and 10' 'at most 1.5 times' "$(ratio many few)" '<=' 1.5 ' times'
  row 'memory of `run`, 50 routes, 400 certificates' 'at most 24 MiB' "$(agent rss_peak_mib)" '<=' 24 ' MiB'
  row "\`/metrics\` with 10,000 series; the reader stalls for ${stall:-?} ms" 'at most 20 ms' "$scrape" '<=' 20 ' ms'
  row 'from a line written to its count in `/metrics`, 99 of 100' 'within 100 ms' "$(agent latency_busy_p99_ms)" '<=' 100 ' ms'
  row 'start of `run` to ready' 'within 50 ms' "$(agent start_ms)" '<=' 50 ' ms'
  row 'the same with full tables to read' 'within 200 ms' "$(agent large_start_ms)" '<=' 200 ' ms'
  row '`run` with its state, CPU a line, against without' 'at most 1.15 times' "$(agent state_to_none)" '<=' 1.15 ' times'
}

# ------------------------------------------------------------------ peers

# Sets up what can be had; who is missing is said in the table.
install_peers() {
  scripts/install-tools.sh goaccess 2>&1 | tail -n 1 >&2 || say 'no goaccess'
  scripts/install-tools.sh mtail 2>&1 | tail -n 1 >&2 || say 'no mtail'
  [ -x "$DIR/venv/bin/pip" ] || python3 -m venv "$DIR/venv" >&2 || { say 'no virtual environment for Python'; return 0; }
  local package
  for package in "duckdb==$DUCKDB" "chdb==$CHDB"; do
    "$DIR/venv/bin/python" -c "import ${package%%=*}" 2>/dev/null && continue
    say "installing $package below $DIR"
    timeout "$PIP_SECONDS_MAX" "$DIR/venv/bin/pip" install --quiet --disable-pip-version-check "$package" >&2 || say "no $package"
  done
}

run_goaccess() {
  goaccess "$DIR/extended.log" --no-global-config --no-progress --no-parsing-spinner -o "$DIR/goaccess.json" \
    --log-format='%h - %e [%d:%t %^] "%r" %s %b "%R" "%u" %^' --date-format=%d/%b/%Y --time-format=%T
}
run_mtail() { mtail -one_shot -logtostderr -progs benches/peers/gate.mtail -logs "$DIR/short.log"; }
run_query() { "$DIR/venv/bin/python" benches/peers/query.py "$1" "$DIR/extended.log"; }

has_peer() { # NAME
  case $1 in
    goaccess | mtail) command -v "$1" >/dev/null ;;
    *) "$DIR/venv/bin/python" -c "import $1" 2>/dev/null ;;
  esac
}

measure_peers() {
  local round peer
  # Functions cannot be given to taskset; this shell holds still meanwhile.
  taskset -cp "$one_core" $$ >/dev/null
  for peer in goaccess mtail duckdb chdb; do
    has_peer "$peer" || continue
    say "$peer"
    for ((round = 1; round <= PEER_ROUNDS; round++)); do
      case $peer in
        goaccess | mtail) clock "$peer" "run_$peer" ;;
        *) clock "$peer" run_query "$peer" ;;
      esac || break
      clock wc wc -l "$DIR/extended.log"
    done
  done
  [ -z "${best[mtail]-}" ] || best[mtail]=$((best[mtail] * SLOW_PEER_SHARE))
  taskset -cp "$all_cores" $$ >/dev/null
}

peer_row() { # NAME SHOWN WHAT_IT_LACKS
  if [ -n "${best[$1]-}" ]; then
    printf '| %s | %s | %s | %s |\n' "$2" "$(nanoseconds "$1")" "$(awk "BEGIN { printf \"%.1f\", ${best[$1]} / ${best[wc]} }")" "$3"
  else
    printf '| %s | not installed | | %s |\n' "$2" "$3"
  fi
}

print_peers() {
  printf '\nThe same log on one core: requests and failures by route and by reason, refused fingerprints.\n\n'
  echo '| program | ns a line | times `wc -l` | what it does not count |'
  echo '|---|---|---|---|'
  peer_row wc '`wc -l`' 'anything but lines'
  peer_row report 'gatelog `report`' ''
  peer_row chdb "chDB $CHDB (ClickHouse), one regular expression" 'what its query does not name: connections, addresses, issuers, upstreams, TLS, verdicts that need the upstream'
  peer_row duckdb "DuckDB $DUCKDB, one regular expression" 'the same'
  peer_row goaccess "GoAccess $(goaccess --version 2>/dev/null | sed -n 's/^GoAccess - \([0-9.]*[0-9]\).*/\1/p')" 'certificates and verification at all: hosts, paths, statuses, browsers instead'
  peer_row mtail "mtail $(mtail -version 2>&1 | sed -n 's/^mtail version \([^ ]*\).*/\1/p'), a tenth of the log, time times ten" 'routes (each path is a series), and what its program does not name'
  echo
  echo "Vector is neither in Debian nor on PyPI, and Debian's own ClickHouse is of 2018: not measured."
}

# ------------------------------------------------------------------ main

mkdir -p "$DIR"
all_cores=$(processors | paste -sd ,)
one_core=$(processors | tail -n 1)
two_cores=$(processors | tail -n 2 | paste -sd ,)
scripts/install-tools.sh cc
say 'building'
"$CARGO" build --quiet --release --locked
"$CARGO" build --quiet --release --locked --package generate-log
: >"$DIR/agent.tsv"
generate_all
measure_gatelog
if [ -e benches/agent ]; then
  "$CARGO" build --quiet --release --locked --example bench-agent
  measure_agent
fi
if [ "${BENCH_PEERS:-1}" != 0 ]; then
  install_peers
  measure_peers
fi
print_head
print_gatelog
[ "${BENCH_PEERS:-1}" = 0 ] || print_peers
