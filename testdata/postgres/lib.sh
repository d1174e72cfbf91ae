# shellcheck shell=bash
# Sourced by every script here: a PostgreSQL of its own, started as testdata/cloud
# starts its servers, with its state in POSTGRES_DIR and its port POSTGRES_BASE.
CLOUD_DIR=${POSTGRES_DIR:-/tmp/cinder-go-postgres}
CLOUD_BASE=${POSTGRES_BASE:-}
if [ -z "$CLOUD_BASE" ] && [ ! -r "$CLOUD_DIR/run/base" ]; then CLOUD_BASE=27600; fi
. "$here/../cloud/lib.sh"
