#!/usr/bin/env bash
# Runs the fuzz targets of parsers/fuzz.
#
#   scripts/fuzz.sh [RUNS|SECONDSs]   each for a short while
#   scripts/fuzz.sh long SECONDS      for that long in all, those with the fewest runs first, and adds
#                                     to the record of runs, parsers/fuzz/runs.tsv
#   scripts/fuzz.sh seeds             keeps of what the long runs found: short inputs that reach most
#                                     go to parsers/fuzz/corpus
#
# 20000 (the default) is that many runs of each target, for 10 seconds at most; 60s is that many
# seconds of each. The seed is fixed and the seed files in parsers/fuzz/corpus are only read, so that
# two short runs of one build try the same inputs. A long run goes by turns: libFuzzer grows a corpus
# outside of git, parsers/fuzz/target/corpus, and then `many` (parsers/fuzz/src/bin/many.rs) tries
# ten times as many inputs made of it.
# Builds on the stable toolchain, without cargo-fuzz and without a sanitizer, with the same
# instrumentation as `cargo fuzz run --sanitizer none`. FUZZ_TARGETS="line log_format" runs only those.
# Exit: 0 nothing found; 1 a target failed: its input is kept, and what repeats it is said; 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly FUZZ=parsers/fuzz RECORD=parsers/fuzz/runs.tsv
readonly SECONDS_MAX=10 INPUT_BYTES_MAX=4096 MEMORY_MIB_MAX=1024 SEED=20261122
readonly GUIDED_SECONDS=10 PLAIN_SECONDS=110
# Of the seeds that are kept: each, of one target, all of one target.
readonly SEED_BYTES_MAX=256 SEED_FILES_MAX=32 SEEDS_BYTES_MAX=8192
readonly CARGO=${CARGO:-cargo}

usage() {
  echo "usage: scripts/fuzz.sh [RUNS|SECONDSs] | long SECONDS | seeds" >&2
  exit 2
}

# What builds libFuzzer's programs, into $guided; and the program `many`, into $plain.
build() {
  host=$("${RUSTC:-rustc}" -vV | sed -n 's/^host: //p')
  target_dir=${CARGO_TARGET_DIR:-$PWD/$FUZZ/target}
  guided=$target_dir/$host/release plain=$target_dir/plain/many
  local options=(--quiet --locked --manifest-path "$FUZZ/Cargo.toml")
  local flags=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing)
  scripts/install-tools.sh c++
  # What is run, as the record names it: a hash of all that it is built of.
  sources=$(find parsers/src "$FUZZ"/{src,fuzz_targets,Cargo.lock} -type f -print0 | LC_ALL=C sort -z |
    xargs -0 sha256sum | sha256sum | head -c 12)
  RUSTFLAGS="${RUSTFLAGS-} ${flags[*]}" "$CARGO" build "${options[@]}" --release --target "$host" \
    --target-dir "$target_dir"
  [ "$mode" != long ] || RUSTFLAGS="${RUSTFLAGS-} --cfg fuzzing" "$CARGO" build "${options[@]}" \
    --profile plain --no-default-features --features plain --bin many --target-dir "$target_dir"
}

targets() {
  local source target
  for source in "$FUZZ"/fuzz_targets/*.rs; do
    target=$(basename "$source" .rs)
    [[ " ${FUZZ_TARGETS:-$target} " != *" $target "* ]] || echo "$target"
  done
}

# guided TARGET FOLDER OPTION...: libFuzzer, which adds to FOLDER and reads the seeds. Leaves $runs.
guided() {
  local target=$1 folder=$2
  local options=(-max_len="$INPUT_BYTES_MAX" -rss_limit_mb="$MEMORY_MIB_MAX" -timeout=5
    -artifact_prefix="$FUZZ/artifacts/$target/" -print_final_stats=1)
  mkdir -p "$folder" "$FUZZ/artifacts/$target"
  run "$target" "$guided/$target" "${options[@]}" "${@:3}" "$folder" "$FUZZ/corpus/$target" || return
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/log")
}

# plain TARGET FOLDER SECONDS SEED: inputs made of what stands in FOLDER and the seeds. Leaves $runs.
plain() {
  run "$1" "$plain" "$1" "$3" "$4" "$FUZZ/artifacts/$1/plain-" "$2" "$FUZZ/corpus/$1" || return
  runs=$(tail -n 1 "$scratch/log")
}

# run TARGET PROGRAM...: says what it found, if anything.
run() {
  local target=$1 input
  shift
  "$@" >"$scratch/log" 2>&1 && return
  failed=1
  printf 'fuzz %-20s FAILED\n' "$target"
  grep -a -A 3 -m 1 -E 'panicked at|ERROR: libFuzzer' "$scratch/log" || tail -n 20 "$scratch/log"
  input=$(sed -n 's/.*Test unit written to //p' "$scratch/log" | tail -n 1)
  [ -z "$input" ] || printf 'repeat with: %s %s\n' "$guided/$target" "$input"
  return 1
}

short() {
  local target started milliseconds
  for target in $(targets); do
    started=$(date +%s%N)
    guided "$target" "$scratch/$target" -seed="$SEED" "$@" || continue
    milliseconds=$((($(date +%s%N) - started) / 1000000 + 1))
    printf 'fuzz %-20s %9d runs  %8d/s\n' "$target" "$runs" "$((runs * 1000 / milliseconds))"
  done
}

# long SECONDS
long() {
  local end=$((SECONDS + $1)) target folder seconds
  while [ "$SECONDS" -lt "$end" ] && target=$(fewest_runs) && [ -n "$target" ]; do
    folder=$target_dir/corpus/$target
    seconds=$((end - SECONDS))
    given_up+=" $target "
    guided "$target" "$folder" -len_control=200 -max_total_time=$((seconds < GUIDED_SECONDS ? seconds : GUIDED_SECONDS)) || continue
    record "$target" libfuzzer "$runs"
    seconds=$((end - SECONDS))
    [ "$seconds" -gt 0 ] || break
    plain "$target" "$folder" $((seconds < PLAIN_SECONDS ? seconds : PLAIN_SECONDS)) "$(runs_of "$target")" || continue
    record "$target" plain "$runs"
    given_up=${given_up/ $target /}
  done
  column -t "$RECORD"
}

# The target to go on with; none of which something was found.
fewest_runs() {
  local target
  for target in $(targets); do
    [[ "$given_up" = *" $target "* ]] || printf '%s %s\n' "$(runs_of "$target")" "$target"
  done | sort -n | awk 'NR == 1 { print $2 }'
}

runs_of() {
  awk -v target="$1" '$1 == target { print $2 }' "$RECORD" | grep . || echo 0
}

# record TARGET libfuzzer|plain RUNS
record() {
  {
    printf 'target\truns\tlibfuzzer\tplain\tlast_day\tsources\n'
    awk -F '\t' -v OFS='\t' -v target="$1" -v kind="$2" -v runs="$3" -v day="$(date -u +%F)" \
      -v sources="$sources" '
      NR > 1 && $1 != target { print }
      $1 == target { libfuzzer = $3; plain = $4 }
      END {
        if (kind == "plain") plain += runs; else libfuzzer += runs
        printf "%s\t%.0f\t%.0f\t%.0f\t%s\t%s\n", target, libfuzzer + plain, libfuzzer, plain, day, sources
      }' "$RECORD" | LC_ALL=C sort
  } >"$scratch/record"
  cp "$scratch/record" "$RECORD"
  printf 'fuzz %-20s %9d runs (%s)\n' "$1" "$3" "$2"
}

# Short inputs that together reach what was reached, beside the seeds there are; those first that reach
# most. libFuzzer writes them in that order.
seeds() {
  local target input
  for target in $(targets); do
    mkdir -p "$scratch/$target"
    cp "$FUZZ/corpus/$target"/* "$scratch/$target"
    run "$target" "$guided/$target" -set_cover_merge=1 -max_len="$SEED_BYTES_MAX" "$scratch/$target" \
      "$target_dir/corpus/$target" || continue
    find "$scratch/$target" -type f -printf '%T@ %s %P\n' | sort -n | while read -r _ bytes input; do
      [ -e "$FUZZ/corpus/$target/$input" ] || echo "$bytes $input"
    done | awk -v files="$SEED_FILES_MAX" -v all="$SEEDS_BYTES_MAX" \
      '(sum += $1) <= all && NR <= files { print $2 }' | while read -r input; do
      cp "$scratch/$target/$input" "$FUZZ/corpus/$target/${input:0:12}"
    done
    printf 'fuzz %-20s %4d seeds\n' "$target" "$(find "$FUZZ/corpus/$target" -type f | wc -l)"
  done
}

mode=short
case ${1:-20000} in
  long) mode=long; [[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage ;;
  seeds) mode=seeds ;;
  *[!0-9s]* | s | '' | *s?* | 0 | 0s) usage ;;
  *s) bounds=(-max_total_time="${1%s}") ;;
  *) bounds=(-runs="${1:-20000}" -max_total_time="$SECONDS_MAX") ;;
esac
failed=0 given_up=''
build
scratch=$(mktemp -d "${TMPDIR:-/tmp}/gatelog-fuzz.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
case $mode in
  short) short "${bounds[@]}" ;;
  long) touch "$RECORD"; long "$2" ;;
  seeds) seeds ;;
esac
exit "$failed"
