# Shared by the server scripts: where state lives, processes by pid file, waiting.
# SERVERS_DIR holds everything a server writes; SERVERS_BASE is the first port.
export SERVERS_DIR=${SERVERS_DIR:-/tmp/cinder-go-servers} SERVERS_BASE=${SERVERS_BASE:-29000}
case $SERVERS_DIR in /*) ;; *) SERVERS_DIR=$PWD/$SERVERS_DIR ;; esac
python=/usr/bin/python3   # Debian's, not one that comes first in PATH

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
die() { say "$*"; exit 1; }

use() { # use NAME: state of one server under $D
  D=$SERVERS_DIR/$1
  mkdir -p "$D"/{pid,log}
  chmod 755 "$SERVERS_DIR" "$D"
}

need() { "$(dirname "${BASH_SOURCE[0]}")/../install" "$@" || die "packages are missing: $*"; }

gobin() { # gobin NAME MODULE@VERSION: build once into $SERVERS_DIR/bin, print the path
  local bin=$SERVERS_DIR/bin/$1 tmp
  if [ ! -x "$bin" ]; then
    say "building $2 (minutes, the first time)"
    mkdir -p "$SERVERS_DIR/bin"
    tmp=$(mktemp -d "$SERVERS_DIR/bin/.build.XXXXXX")
    CGO_ENABLED=0 GOFLAGS= GOBIN=$tmp go install "$2" >"$D/log/go-$1" 2>&1 || { rm -rf "$tmp"; die "go install failed, see $D/log/go-$1"; }
    mv "$tmp"/* "$bin"
    rm -rf "$tmp"
  fi
  printf '%s\n' "$bin"
}

alive() { # alive NAME: the recorded process still is the one that was started
  local pid born
  [ -e "$D/pid/$1" ] || return 1
  read -r pid born <"$D/pid/$1"
  [ -e "/proc/$pid/stat" ] && [ "$(born "$pid")" = "$born" ]
}
born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

start() { # start NAME COMMAND...: in its own session, unless it runs already
  local name=$1; shift
  alive "$name" && return 0
  setsid "$@" >>"$D/log/$name.out" 2>&1 </dev/null &
  echo "$! $(born $!)" >"$D/pid/$name"
}

stop() { # stop NAME...: TERM, after 10 s KILL, each to the group that `start` made
  local n pid rest i
  for n in "$@"; do
    alive "$n" || continue
    read -r pid rest <"$D/pid/$n"
    kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null || true
  done
  for n in "$@"; do
    for i in $(seq 100); do alive "$n" || break; sleep 0.1; done
    if alive "$n"; then
      read -r pid rest <"$D/pid/$n"
      kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
    fi
    rm -f "$D/pid/$n"
  done
}

port() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
wait_for() { # wait_for NAME SECONDS COMMAND...: five times as long, for a busy machine
  local name=$1 end=$((SECONDS+5*$2)); shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "$name did not come up; see $D/log"
    sleep 0.1
  done
}
