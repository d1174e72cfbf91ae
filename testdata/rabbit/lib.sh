# shellcheck shell=bash
# Sourced by up and down: a RabbitMQ of its own, started as testdata/cloud starts
# its, with its state in RABBIT_DIR and its ports from RABBIT_BASE.
CLOUD_DIR=${RABBIT_DIR:-/tmp/cinder-go-rabbit}
CLOUD_BASE=${RABBIT_BASE:-27500}
. "$here/../cloud/lib.sh"
