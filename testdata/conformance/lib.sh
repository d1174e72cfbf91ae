# shellcheck shell=bash disable=SC2034
# Sourced by every script here: the cloud that has the Keystone, and the engines
# beside it.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/testdata/cloud/lib.sh"
[ -r "$dir/run/env" ] || fail "no cloud is up in $dir: make cloud-up starts one"
# shellcheck source=/dev/null
. "$dir/run/env"
dir=${CONFORMANCE_DIR:-/tmp/cinder-go-conformance} # of processes and logs from here on
base=${CONFORMANCE_BASE:-27100}
export CONFORMANCE_DIR=$dir CONFORMANCE_BASE=$base
engine_port=$((base + 1)) engine_noauth_port=$((base + 2))
region=${CONFORMANCE_REGION:-conformance} # the engine's, in the catalogue
export OS_AUTH_URL=$CLOUD_AUTH_URL OS_USERNAME=admin OS_PASSWORD=admin OS_PROJECT_NAME=admin OS_USER_DOMAIN_ID=default \
  OS_PROJECT_DOMAIN_ID=default OS_IDENTITY_API_VERSION=3
unset OS_ENDPOINT OS_REGION_NAME OS_CLOUD OS_TOKEN
mkdir -p "$dir"/{log,pid,run}

keystone_api() { # keystone_api METHOD PATH [JSON]: the answer of Keystone to its admin
  if [ ! -s "$dir/run/token" ]; then
    curl -sf -D "$dir/run/head" -o "$dir/run/body" -H 'Content-Type: application/json' "$OS_AUTH_URL/auth/tokens" -d '{"auth": {
      "identity": {"methods": ["password"], "password": {"user": {"name": "admin", "domain": {"id": "default"}, "password": "admin"}}},
      "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}}' || fail "Keystone lets admin not in"
    tr -d '\r' <"$dir/run/head" | awk 'tolower($1) == "x-subject-token:" {print $2}' >"$dir/run/token"
  fi
  curl -s -X "$1" -H "X-Auth-Token: $(<"$dir/run/token")" -H 'Content-Type: application/json' "$OS_AUTH_URL/$2" ${3:+-d "$3"}
}
