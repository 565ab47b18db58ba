#!/usr/bin/env bash
# Set up if needed, then run the tests: ./run_tests.sh [pytest arguments]
#
# Without a path among the arguments: all tests, the quick build, and every notebook under nbval.
# The quick ones only: ./run_tests.sh tests -m 'not slow'
set -euo pipefail

script="${BASH_SOURCE[0]}"
while [[ -L "$script" ]]; do  # readlink -f is not everywhere
  target="$(readlink "$script")"
  [[ "$target" == /* ]] || target="$(dirname "$script")/$target"
  script="$target"
done
unset CDPATH  # with it, cd may go elsewhere and print where
project="$(cd -P "$(dirname "$script")" && pwd)"
source "$project/helpers/report/setup.sh"
set_up "$project"
cd "$project"

for argument in "$@"; do
  if [[ "$argument" != -* && -e "${argument%%::*}" ]]; then
    exec .venv/bin/python -m pytest "$@"
  fi
done
exec .venv/bin/python -m pytest --nbval-lax --nbval-current-env tests notebooks "$@"
