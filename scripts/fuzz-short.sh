#!/usr/bin/env bash
# Runs every fuzz target of parsers/fuzz for a short while:  scripts/fuzz-short.sh [RUNS|SECONDSs]
#
# 20000 (the default) is that many runs of each target, for 10 seconds at most; 60s is that many
# seconds of each. Builds on the stable toolchain, without cargo-fuzz and without a sanitizer, with
# the same instrumentation as `cargo fuzz run --sanitizer none`. The seed is fixed and the seed files
# in parsers/fuzz/corpus are only read, so that two runs of one build try the same inputs.
# FUZZ_TARGETS="line log_format" runs only those.
# Exit: 0 nothing found; 1 a target failed: its input is kept, and what repeats it is said; 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly FUZZ=parsers/fuzz
readonly SECONDS_MAX=10 INPUT_BYTES_MAX=4096 MEMORY_MIB_MAX=1024 SEED=20261122
readonly CARGO=${CARGO:-cargo}

case ${1:-20000} in
  *[!0-9s]* | s | '' | *s?* | 0 | 0s) echo "usage: scripts/fuzz-short.sh [RUNS|SECONDSs]" >&2; exit 2 ;;
  *s) bound=(-max_total_time="${1%s}") ;;
  *) bound=(-runs="${1:-20000}" -max_total_time="$SECONDS_MAX") ;;
esac

scripts/install-tools.sh c++
host=$("${RUSTC:-rustc}" -vV | sed -n 's/^host: //p')
target_dir=${CARGO_TARGET_DIR:-$PWD/$FUZZ/target}
flags=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing)
RUSTFLAGS="${RUSTFLAGS-} ${flags[*]}" "$CARGO" build --quiet --release --locked --target "$host" \
  --manifest-path "$FUZZ/Cargo.toml" --target-dir "$target_dir"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/gatelog-fuzz.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
failed=0
for source in "$FUZZ"/fuzz_targets/*.rs; do
  target=$(basename "$source" .rs)
  [[ " ${FUZZ_TARGETS:-$target} " = *" $target "* ]] || continue
  program=$target_dir/$host/release/$target
  artifacts=$FUZZ/artifacts/$target/
  mkdir -p "$scratch/$target" "$artifacts"
  options=(-max_len="$INPUT_BYTES_MAX" -rss_limit_mb="$MEMORY_MIB_MAX" -timeout=5)
  started=$(date +%s%N)
  if "$program" "${bound[@]}" "${options[@]}" -seed="$SEED" -artifact_prefix="$artifacts" -print_final_stats=1 \
    "$scratch/$target" "$FUZZ/corpus/$target" >"$scratch/$target.log" 2>&1; then
    milliseconds=$((($(date +%s%N) - started) / 1000000 + 1))
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/$target.log")
    printf 'fuzz %-20s %9d runs  %8d/s\n' "$target" "$runs" "$((runs * 1000 / milliseconds))"
  else
    failed=1
    printf 'fuzz %-20s FAILED\n' "$target"
    grep -a -A 3 -m 1 -E 'panicked at|ERROR: libFuzzer' "$scratch/$target.log" || tail -n 20 "$scratch/$target.log"
    input=$(sed -n 's/.*Test unit written to //p' "$scratch/$target.log" | tail -n 1)
    [ -z "$input" ] || printf 'repeat with: %s %s\n' "$program" "$input"
  fi
done
exit "$failed"
