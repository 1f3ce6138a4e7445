#!/bin/sh
# Runs a command as one machine of a training on a SLURM cluster: tells it of the others.
#
#   export ROADSHIFT_LAUNCHER="srun --ntasks-per-node=1 --kill-on-bad-exit=1 sh experiments/slurm_machine.sh"
#   sbatch --nodes=4 --gpus-per-node=8 --wrap "dvc repro"
#
# The first machine's port is ROADSHIFT_PORT, or 15000; each further machine has the next one.
set -eu
port=${ROADSHIFT_PORT:-15000}
workers=
for host in $(scontrol show hostnames "$SLURM_STEP_NODELIST"); do
    workers="$workers${workers:+, }\"$host:$port\""
    port=$((port + 1))
done
TF_CONFIG="{\"cluster\": {\"worker\": [$workers]}, \"task\": {\"type\": \"worker\", \"index\": $SLURM_PROCID}}"
export TF_CONFIG
exec "$@"
