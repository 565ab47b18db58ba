#!/usr/bin/env bash
# Measure the attacks against their peers and write benchmarks/results.md:
#   ./benchmarks/run.sh [--data-dir DIR] [--quick] [--output FILE]
#
# The peers of pyproject.toml's dependency group "benchmarks" go into build/benchmarks/peers, apart
# from the project's own environment, and without their own dependencies, which it has.
set -euo pipefail

project="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
source "$project/scripts/setup.sh"
set_up "$project"
cd "$project"

peers=build/benchmarks/peers
pinned="$("$environment/bin/python" -c 'import tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["dependency-groups"]["benchmarks"])')"
if [[ "$(cat "$peers/.installed" 2>/dev/null)" != "$pinned" ]]; then
  rm -rf "$peers"
  read -ra packages <<< "$pinned"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --target "$peers" "${packages[@]}"
  echo "$pinned" > "$peers/.installed"
fi
TF_CPP_MIN_LOG_LEVEL=2 PYTHONPATH="$peers" exec "$environment/bin/python" -m benchmarks "$@"
