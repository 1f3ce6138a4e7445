#!/bin/sh
# Runs the training of a mix as one machine of an indexed job: experiments/kubernetes.yaml.
#
# MACHINES is their number, JOB and SERVICE the names that the pods have by; Kubernetes sets
# JOB_COMPLETION_INDEX. DVC runs on the first machine alone.
set -eu
mix=$1
workers=
index=0
while [ "$index" -lt "$MACHINES" ]; do
    workers="$workers${workers:+, }\"$JOB-$index.$SERVICE:15000\""
    index=$((index + 1))
done
TF_CONFIG="{\"cluster\": {\"worker\": [$workers]}, \"task\": {\"type\": \"worker\", \"index\": $JOB_COMPLETION_INDEX}}"
export TF_CONFIG
if [ "$JOB_COMPLETION_INDEX" -eq 0 ]; then
    exec dvc repro --single-item "train@$mix"
fi
exec python -m stages.train "$mix"
