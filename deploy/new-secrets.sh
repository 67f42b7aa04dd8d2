#!/bin/sh
# Draws the secrets of compose.yaml into ./secrets; what is there already stays.
set -eu
umask 022 # containers read the files as users of their own; the folder is what keeps others out
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets

drawn() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

for name in postgres_password grafana_password; do
    [ -e "secrets/$name" ] || drawn >"secrets/$name"
done
[ -e secrets/rondo.toml ] || cat >secrets/rondo.toml <<EOF
# Settings of server and worker (docs/serving.md). A file, as some are secret.
database_url = "postgresql://rondo:$(cat secrets/postgres_password)@postgres/rondo"
state_key = "$(drawn)"
jobs = "off"             # the worker does them
open_to_all = "metrics"  # so that Prometheus needs no key
EOF
echo "secrets are in $(pwd)/secrets"
