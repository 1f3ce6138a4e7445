#!/bin/bash
#SBATCH --array=1-3 --cpus-per-task=4 --mem=16G --time=08:00:00 --requeue
# Task N runs line N of FILE, such as `-S seed=1`, with the overrides of RECIPE, in its own clone:
#   sbatch --array=1-3 experiments/slurm.sh FILE [RECIPE]
set -euo pipefail -o noglob
[ ! -f .venv/bin/activate ] || . .venv/bin/activate
name=$(basename "$1") && name=${name%.*}-$SLURM_ARRAY_TASK_ID
experiment=$(sed -n "${SLURM_ARRAY_TASK_ID}p" "$1")
[ -n "$experiment" ] || { echo "error: $1: no line $SLURM_ARRAY_TASK_ID, see --array" >&2; exit 1; }
recipe=$(grep -v '^#' "${2:-/dev/null}" || true)
task="$(git rev-parse HEAD) $recipe $experiment" clone=.dvc/tmp/slurm/$name cache=$(dvc cache dir)
user=$(git config user.name || id -un) email=$(git config user.email || echo "$(id -un)@localhost")
# An interrupted task resumes in the clone that it has left, unless commit or parameters differ.
[ "$(cat "$clone/.git/task" 2>/dev/null)" = "$task" ] || { rm -rf "$clone" && git clone --quiet . "$clone"; }
cd "$clone" && printf %s "$task" > .git/task
git config user.name "$user" && git config user.email "$email"
dvc cache dir --local "$cache" && dvc config --local cache.type hardlink,symlink
[ "$(git for-each-ref "refs/exps/*/*/$name")" ] || dvc exp run --name "$name" $recipe $experiment
dvc exp push --force --no-cache origin "$name"
rm -rf "$OLDPWD/$clone"
