#!/usr/bin/env bash
# Set up if needed, then run the tests: ./run_tests.sh [--fast] [pytest arguments]
#
# Without a path among the arguments: all tests, the quick build, and every notebook under nbval.
# --fast leaves out the slow tests and the notebooks, and runs the rest on all cores.
set -euo pipefail

script="${BASH_SOURCE[0]}"
while [[ -L "$script" ]]; do  # readlink -f is not everywhere
  target="$(readlink "$script")"
  [[ "$target" == /* ]] || target="$(dirname "$script")/$target"
  script="$target"
done
unset CDPATH  # with it, cd may go elsewhere and print where
project="$(cd -P "$(dirname "$script")" && pwd)"
source "$project/scripts/setup.sh"
set_up "$project"
cd "$project"

options=() arguments=() paths=(--nbval-lax --nbval-current-env tests notebooks)
for argument in "$@"; do
  if [[ "$argument" == --fast ]]; then
    options=(-m "not slow")
    continue
  fi
  arguments+=("$argument")
  if [[ "$argument" != -* && -e "${argument%%::*}" ]]; then
    paths=()
  fi
done
if ((${#options[@]} && ${#paths[@]})); then
  paths=(-n auto --dist worksteal tests)
fi
# The test for "none" is for the bash of macOS, which takes an empty array for an unset one.
exec "$environment/bin/python" -m pytest ${options[@]+"${options[@]}"} ${paths[@]+"${paths[@]}"} \
  ${arguments[@]+"${arguments[@]}"}
