#!/usr/bin/env bash
# Set up if needed, then build the report: ./build_report.sh --help
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
# -P: a folder called helpers where the caller stands must not be taken for this project's.
exec "$environment/bin/python" -P -m helpers.report "$@"
