#!/usr/bin/env bash
# Builds the wheel, installs it into an environment of its own, and uses it from an empty folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

"${PYTHON:-python3}" -m venv "$place/venv"
bin=$place/venv/bin
pip() { "$bin/python" -m pip --disable-pip-version-check "$@"; }
# From a copy: building leaves files beside the sources.
git ls-files -z | xargs -0 cp --parents -t "$(mkdir "$place/source" && echo "$place/source")"
pip wheel --quiet --no-deps --wheel-dir "$place" "$place/source"
pip install --quiet --constraint constraints.txt "$place"/nas_toolkit-*.whl
"$bin/python" "$place/source/scripts/complete_torchvision.py"

mkdir "$place/empty"
cd "$place/empty"
export NAS_CACHE=$place/cache
"$bin/nas" --help >/dev/null
"$bin/nas" search --task faces --set "task_options={size: 32, train: 16, validation: 8, test: 8}" \
    --space nano --encoder lcnet_035 --encoder-weights none --no-distillation --device cpu \
    --set evaluation.stage0.epochs=1 --trials 1 --run run
"$bin/nas" retrain run --best --epochs 1
"$bin/nas" report run
test -s run/report.html
