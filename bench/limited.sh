#!/usr/bin/env bash
# Maps within a real memory limit: a cgroup of the budget and 64 MiB more, in which page cache counts as well.
#
#   bash bench/limited.sh QUERY.zarr REFERENCE.zarr [256 512 1024]
#
# Needs the right to make a cgroup (version 1 or 2). Prints a line for each budget, in MiB: exit code, seconds, how often the limit was
# met, and whether the kernel killed anything.
set -euo pipefail
query=$1
reference=$2
shift 2
budgets=("${@:-256}")
[ $# -gt 0 ] || budgets=(256 512 1024)
scratch=$(mktemp -d)
name=gigamapper-$$
if [ -d /sys/fs/cgroup/memory ]; then
  group=/sys/fs/cgroup/memory/$name limit=memory.limit_in_bytes met=memory.failcnt killed=memory.oom_control
else
  group=/sys/fs/cgroup/$name limit=memory.max met=memory.events killed=memory.events
fi
mkdir "$group"
trap 'rmdir "$group"; rm -rf "$scratch"' EXIT
for budget in "${budgets[@]}"; do
  # The limit may only be raised here while it is above what is in use.
  echo $(((budget + 64) << 20)) >"$group/$limit"
  began=$(date +%s.%N)
  code=0
  (
    echo "$BASHPID" >"$group/cgroup.procs"
    exec node bin/gigamapper.mjs map --query "$query" --reference "$reference" --use-rep X_pca --method exact \
      --memory "${budget}MiB" --output "$scratch/$budget.zarr" --progress none --json >"$scratch/report.json"
  ) || code=$?
  seconds=$(awk "BEGIN { print $(date +%s.%N) - $began }")
  ooms=$(grep -E '^oom_kill ' "$group/$killed" || true)
  echo "budget ${budget} MiB: exit $code, $seconds s, limit met $(head -1 "$group/$met"), ${ooms:-no count of kills}"
  rm -rf "$scratch/$budget.zarr" "$scratch/$budget.zarr.journal"
done
