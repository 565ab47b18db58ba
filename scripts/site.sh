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
"$environment/bin/python" -m jupyter nbconvert --log-level WARN --to html --output-dir "$site/notebooks" \
  build/quick/notebooks/*.ipynb
# Chapters name each other as notebooks: here the run on the same data, or else the first.
"$environment/bin/python" - "$site/notebooks" << 'PYTHON'
import re
import sys
from pathlib import Path

pages = sorted(Path(sys.argv[1]).glob("*.html"))
for page in pages:
    data = page.stem.partition("-")[2]

    def to_page(link):
        runs = [other.stem for other in pages if other.stem.partition("-")[0] == link[1]]
        same = [run for run in runs if run.partition("-")[2] == data]
        return f'href="{(same + runs)[0]}.html' if runs else link[0]

    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(r'href="(\w+)\.ipynb', to_page, text), encoding="utf-8")
PYTHON

item() {  # href, text
  printf '<li><a href="%s">%s</a></li>\n' "$1" "$2"
}
{
  echo '<!doctype html><html lang="en"><meta charset="utf-8"><title>Adversarial examples</title>'
  echo '<meta name="viewport" content="width=device-width">'
  echo '<style>body { font: 1.1em/1.5 sans-serif; max-width: 36em; margin: 2em auto; padding: 0 1em }</style>'
  echo '<h1>Adversarial examples: an executable report</h1>'
  echo '<p>What a student report on adversarial examples found, reproduced, checked and outgrown.</p>'
  echo '<h2>The report</h2><ul>'
  for page in reports/*/report.html build/quick/report.html; do
    name="$(basename "$(dirname "$page")")"
    cp "$page" "$site/$name.html"
    item "$name.html" "Profile $name"
  done
  echo '</ul><h2>The library</h2><ul>'
  item reference/index.html "Reference"
  echo '</ul><h2>Notebooks of profile quick, as executed</h2><ul>'
  for notebook in "$site"/notebooks/*.html; do
    name="$(basename "$notebook" .html)"
    item "notebooks/$name.html" "$name"
  done
  echo '</ul></html>'
} > "$site/index.html"
