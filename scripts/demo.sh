#!/usr/bin/env bash
# The whole way on faces drawn from a seed: install, search, plot the front, train four candidates a little
# longer to see how far the search can be believed, retrain the best.
# Called by `make demo`. RUN names the run folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

make=${MAKE:-make}
nas=${NAS:-.venv/bin/nas}
run=${RUN:-runs/demo-$(date +%Y%m%d-%H%M%S)}

now() { date +%s; }

step() {
    echo
    echo "\$ $*"
    "$@"
}

start=$(now)
$make --no-print-directory install
installed=$(now)
step "$nas" search --config scripts/demo.yaml --penalty flops --run "$run"
searched=$(now)
step "$nas" pareto list "$run"
step "$nas" pareto plot "$run"
plotted=$(now)
step "$nas" trust "$run" --candidates 4 --seeds 1 --epochs 3 --no-distillation
trusted=$(now)
step "$nas" retrain "$run" --best
retrained=$(now)

echo
echo "install $((installed - start)) s, search $((searched - installed)) s," \
    "trust $((trusted - plotted)) s, retrain $((retrained - trusted)) s, all $((retrained - start)) s"
