# shellcheck shell=bash
# Sourced by build_report.sh, run_tests.sh, benchmarks/run.sh and scripts/site.sh: `set_up PROJECT` finds the
# environment to use, and leaves its folder in `environment`. That is an active conda or virtual environment if it
# satisfies the lock, else PROJECT/.venv, which is made from the lock.
#
# The stamp .venv/.set-up holds a checksum of what the environment was made from. Without the right
# one the environment is completed; after a set-up that was cut off, or when the Python that it was made
# with is gone, it is made anew.

# The caller's Python settings (a PYTHONPATH beats even -P) and user site are for other programs.
unset "${!PYTHON@}"
export PYTHONNOUSERSITE=1

fail_set_up() {
  printf '%s\n' "$@" >&2
  exit 3
}

FITTING='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

find_python() {
  local candidate
  for candidate in python3.12 python3.11 python3.13 python3 python; do
    # Run it: a name on the PATH may be a version manager's stand-in for nothing.
    if "$candidate" -c "$FITTING" 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  if command -v uv >/dev/null; then
    uv python find --managed-python 3.12 2>/dev/null \
      || { uv python install 3.12 >&2 && uv python find --managed-python 3.12; } \
      && return
  fi
  fail_set_up "Python 3.11, 3.12 or 3.13 is needed, and none is on the PATH." \
    "Install one of them (for example: apt install python3.12 python3.12-venv), then run again."
}

set_up_stamp() {
  # The folder counts too: an environment that was moved holds wrong paths.
  { cat "$1/requirements.lock" "$1/pyproject.toml" "${BASH_SOURCE[0]}"; printf '%s' "$1"; } | cksum
}

is_set_up() {
  # -x follows the links of .venv/bin/python to the Python that it was made with.
  [[ -x "$1/.venv/bin/python" && "$(cat "$1/.venv/.set-up" 2>/dev/null)" == "$(set_up_stamp "$1")" ]]
}

install_into_venv() {  # arguments of pip install
  if command -v uv >/dev/null && uv pip install --quiet --python .venv/bin/python "$@"; then
    return
  fi
  .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
}

make_environment() {
  local python
  cd "$1" || return
  if [[ ! -x .venv/bin/python || "$(cat .venv/.set-up 2>/dev/null)" == unfinished ]] \
      || ! .venv/bin/python -c "$FITTING" \
      || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python="$(find_python)"
    [[ -e .venv ]] || rm -f .venv  # a link to nowhere, on which venv fails
    "$python" -m venv --clear .venv \
      || fail_set_up "$python -m venv failed; on Debian and Ubuntu: apt install python3-venv"
  fi
  echo unfinished > .venv/.set-up
  install_into_venv --require-hashes -r requirements.lock \
    || fail_set_up "The packages of requirements.lock could not be installed (see above)." \
      "Run the same command again: it starts over."
  install_into_venv --no-deps --no-build-isolation -e . \
    || fail_set_up "The project itself could not be installed into .venv (see above)."
  # Kernels here serve their own machine, and need not warn that they speak to it unencrypted.
  mkdir -p .venv/etc/ipython
  echo 'c.IPKernelApp.log_level = "ERROR"' > .venv/etc/ipython/ipython_kernel_config.py
  set_up_stamp "$1" > .venv/.set-up
}

# A conda environment stays active below a virtual one that was activated later. CONDA_PREFIX is often `base`.
use_active_environment() {  # PROJECT; if it cannot be, what it lacks is left in `lacks`
  local active
  for active in "${VIRTUAL_ENV:-}" "${CONDA_PREFIX:-}"; do
    if [[ ! -x "$active/bin/python" || "$active" -ef "$1/.venv" ]]; then
      continue
    fi
    if lacks="$("$active/bin/python" -I "$1/scripts/satisfies.py" 2>&1)"; then
      environment="$active"
      return
    fi
    lacks="the active environment $active lacks $(tail -n 1 <<< "$lacks")"
  done
  return 1
}

set_up() {
  local project="$1" python lacks=""
  # shellcheck disable=SC2034  # read by the scripts that source this one
  environment="$project/.venv"
  if use_active_environment "$project" || is_set_up "$project"; then
    return
  fi
  python="$(find_python)"
  mkdir -p "$project/build"
  (
    # One set-up at a time: the lock belongs to file descriptor 9, so it ends with this subshell.
    exec 9> "$project/build/.set-up.lock"
    "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
    if ! is_set_up "$project"; then
      echo "Setting up .venv from requirements.lock (once; a few minutes, 3 GB)${lacks:+; $lacks}" >&2
      make_environment "$project"
    fi
  )
}
