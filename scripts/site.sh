#!/usr/bin/env bash
# Gather a small site: the published page, the quick build's, its executed notebooks, and the reference.
#   scripts/site.sh FOLDER
set -euo pipefail

if (($# != 1)); then
  echo "usage: scripts/site.sh FOLDER" >&2
  exit 2
fi
project="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
mkdir -p "$1"
site="$(cd "$1" && pwd -P)"
source "$project/scripts/setup.sh"
set_up "$project"
cd "$project"
./build_report.sh quick

# pdoc is for this alone, and so apart from the project's environment.
tools="$project/build/site-tools"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade --target "$tools" pdoc==16.0.0
PYTHONPATH="$tools" "$environment/bin/python" -m pdoc --docformat numpy --output-directory "$site/reference" \
  helpers.attacks helpers.defences helpers.models helpers.data helpers.evaluation \
  helpers.interoperability
"$environment/bin/python" -m jupyter nbconvert --log-level WARN --to html --output-dir "$site/notebooks" build/quick/notebooks/*.ipynb

link() {  # href, text
  printf '<li><a href="%s">%s</a></li>\n' "$1" "$2"
}
{
  echo '<!doctype html><html lang="en"><meta charset="utf-8"><title>Adversarial examples</title>'
  echo '<meta name="viewport" content="width=device-width"><h1>Adversarial examples</h1><ul>'
  for page in reports/*/report.html build/quick/report.html; do
    name="$(basename "$(dirname "$page")")"
    cp "$page" "$site/$name.html"
    link "$name.html" "The report, profile $name"
  done
  link reference/index.html "The library's reference"
  for notebook in "$site"/notebooks/*.html; do
    name="$(basename "$notebook" .html)"
    link "notebooks/$name.html" "Executed notebook $name"
  done
  echo '</ul></html>'
} > "$site/index.html"
