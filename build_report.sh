#!/usr/bin/env bash
# Set up if needed, then build the report: ./build_report.sh --help
set -euo pipefail

project="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
source "$project/helpers/report/setup.sh"
set_up "$project"
# -P: a folder called helpers where the caller stands must not be taken for this project's.
exec "$project/.venv/bin/python" -P -m helpers.report "$@"
