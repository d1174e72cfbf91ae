# shellcheck shell=bash disable=SC2034
# Sourced by every script here: where things are, processes by pid file, waiting.
dir=${CLOUD_DIR:-/tmp/cinder-go-cloud}
if [ -z "${CLOUD_BASE:-}" ] && [ -r "$dir/run/base" ]; then CLOUD_BASE=$(<"$dir/run/base"); fi
base=${CLOUD_BASE:-27000}
export CLOUD_DIR=$dir CLOUD_BASE=$base
db_port=$((base + 1)) mq_port=$((base + 2)) mqdist_port=$((base + 3)) epmd_port=$((base + 4))
keystone_port=$((base + 5)) memcached_port=$((base + 6)) swift_port=$((base + 7))
account_port=$((base + 8)) container_port=$((base + 9)) object_port=$((base + 10))
api_port=$((base + 11)) noauth_port=$((base + 12))
keystone=http://127.0.0.1:$keystone_port
python=/usr/bin/python3 # Debian's, which has Debian's modules, whatever comes first in PATH

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
fail() { # fail TEXT [LOG...]: the end of each log, then the text
  local text=$1 log
  shift
  for log in "$@"; do
    [ -s "$log" ] || continue
    printf -- '--- the end of %s\n' "$log" >&2
    tail -n 30 "$log" >&2
  done
  say "FAILED: $text"
  exit 1
}
sql() { mariadb --no-defaults -uroot -S "$dir/mysql/mysql.sock" "$@"; }
port() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
install_packages() { "$(dirname "${BASH_SOURCE[0]}")/../install" "$@"; }
answers() { curl -sf -o /dev/null -m 5 "$1"; }

# --- processes: a pid file holds the pid, which is the process group's too, and
# --- the start time, so that a pid that the system gave away again is not ours
stat_of() { # stat_of PID: its state and its start time
  local line
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  # The name before the last ")" may hold blanks; state is field 3, start time field 22.
  # shellcheck disable=SC2086
  set -- ${line##*) }
  echo "$1 ${20}"
}
alive() { # alive NAME
  local pid since state started
  { read -r pid since <"$dir/pid/$1"; } 2>/dev/null || return 1
  read -r state started < <(stat_of "$pid") || return 1
  [ "$started" = "$since" ] && [ "$state" != Z ] && [ "$state" != X ]
}
frozen() { # frozen NAME
  local pid state
  alive "$1" && read -r pid _ <"$dir/pid/$1" && read -r state _ < <(stat_of "$pid") && [ "$state" = T ]
}
start() { # start NAME COMMAND...
  local name=$1 pid
  shift
  say "starting $name"
  setsid "$@" >>"$dir/log/$name.out" 2>&1 </dev/null &
  pid=$!
  read -r _ started < <(stat_of $pid) || fail "$name ended at once" "$dir/log/$name.out"
  echo "$pid $started" >"$dir/pid/$name"
}
send() { # send SIGNAL NAME...: to the whole process group that start made
  local signal=$1 name pid
  shift
  for name in "$@"; do
    alive "$name" || continue
    read -r pid _ <"$dir/pid/$name"
    # Between fork and setsid there is no such group yet.
    kill "-$signal" -- "-$pid" 2>/dev/null || kill "-$signal" "$pid" 2>/dev/null || true
  done
}
stop() { # stop NAME...: TERM, then KILL after 10 s
  local name tries=50
  # A frozen process takes its TERM only after CONT.
  send TERM "$@"
  send CONT "$@"
  for name in "$@"; do
    while alive "$name" && [ $((tries--)) -gt 0 ]; do sleep 0.2; done
    destroy "$name"
  done
}
destroy() { # destroy NAME: KILL, and wait until it is gone
  send KILL "$1"
  while alive "$1"; do sleep 0.05; done
  rm -f "$dir/pid/$1"
}
wait_for() { # wait_for NAME COMMAND...: until the command succeeds, as long as the process NAME lives
  local name=$1 until=$((SECONDS + ${CLOUD_PATIENCE:-120}))
  shift
  until "$@" >/dev/null 2>&1; do
    alive "$name" || fail "$name died" "$dir/log/$name.out" "$dir/log/$name.log"
    [ $SECONDS -lt $until ] || fail "$name did not come up" "$dir/log/$name.out" "$dir/log/$name.log"
    sleep 0.2
  done
}

# --- the services of the cloud by name
full_name() { # full_name NAME: vol1 is cinder-volume-vol1, bak-posix is cinder-backup-bak-posix
  case $1 in
  mariadb | epmd | rabbit | memcached | keystone | swift-proxy | swift-account | swift-container | swift-object | cinder-*) echo "$1" ;;
  vol1 | vol2 | solo) echo "cinder-volume-$1" ;;
  *) echo "cinder-backup-$1" ;;
  esac
}
row_of() { # row_of NAME: the SQL condition that finds its row in the table of services
  case $1 in
  cinder-scheduler) echo "deleted=0 AND \`binary\`='cinder-scheduler'" ;;
  cinder-volume-*) echo "deleted=0 AND \`binary\`='cinder-volume' AND host='${1#cinder-volume-}@file'" ;;
  cinder-backup-*) echo "deleted=0 AND \`binary\`='cinder-backup' AND host='${1#cinder-backup-}'" ;;
  *) return 1 ;;
  esac
}
launch() { # launch NAME: starts it unless it lives; ready says when it works
  alive "$1" && return 0
  mark "$1"
  local cinder=(--config-file "$dir/conf/cinder.conf") as_swift=(setpriv --reuid=swift --regid=swift --clear-groups)
  export PYTHONPATH=$dir/py
  case $1 in
  mariadb)
    start mariadb mariadbd --no-defaults --user=mysql --datadir="$dir/mysql" --socket="$dir/mysql/mysql.sock" \
      --bind-address=127.0.0.1 --port=$db_port --pid-file="$dir/mysql/m.pid" --innodb-flush-log-at-trx-commit=2 \
      --max-connections=500 --character-set-server=utf8mb3
    ;;
  # RabbitMQ would start one by itself, which no pid file knows.
  epmd) start epmd env ERL_EPMD_ADDRESS=127.0.0.1 setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups epmd -port $epmd_port ;;
  rabbit)
    start rabbit env RABBITMQ_NODENAME="cloud$base@localhost" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
      RABBITMQ_NODE_PORT=$mq_port RABBITMQ_DIST_PORT=$mqdist_port ERL_EPMD_PORT=$epmd_port ERL_EPMD_ADDRESS=127.0.0.1 \
      RABBITMQ_MNESIA_BASE="$dir/rabbit" RABBITMQ_LOG_BASE="$dir/rabbit" RABBITMQ_PID_FILE="$dir/rabbit/pid" HOME="$dir/rabbit" \
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}" \
      setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups /usr/lib/rabbitmq/bin/rabbitmq-server
    ;;
  memcached) start memcached memcached -u memcache -l 127.0.0.1 -p $memcached_port ;;
  keystone)
    # uwsgi's plain HTTP socket drops kept-alive connections when a body was not
    # read to its end; buffering the body and closing each time avoids the resets.
    start keystone uwsgi --plugins python3 --http-socket 127.0.0.1:$keystone_port --wsgi-file /usr/bin/keystone-wsgi-public \
      --processes 2 --threads 2 --buffer-size 65535 --lazy-apps --die-on-term --disable-logging \
      --post-buffering 65536 --add-header "Connection: close" --pyargv "--config-file $dir/conf/keystone.conf"
    ;;
  swift-*) start "$1" "${as_swift[@]}" "/usr/bin/$1-server" "$dir/swift/conf/${1#swift-}.conf" ;;
  cinder-api | cinder-api-noauth) start "$1" cinder-api "${cinder[@]}" --config-file "$dir/conf/$1.conf" ;;
  cinder-scheduler) start "$1" cinder-scheduler "${cinder[@]}" --config-file "$dir/conf/$1.conf" ;;
  cinder-volume-*) start "$1" cinder-volume "${cinder[@]}" --config-file "$dir/conf/$1.conf" ;;
  cinder-backup-*) start "$1" cinder-backup "${cinder[@]}" --config-file "$dir/conf/$1.conf" ;;
  esac
}
reports() { sql cinder -Ne "SELECT COALESCE(MAX(report_count), 0) FROM services WHERE $(row_of "$1")"; }
mark() { # mark NAME: what it and the scheduler have said until now, so that ready looks for news
  local log=$dir/log/cinder-scheduler.out count
  row_of "$1" >/dev/null || return 0
  count=$(reports "$1")
  echo "${count:-0} $(stat -c %s "$log" 2>/dev/null || echo 0)" >"$dir/run/mark-$1"
}
heard() { # heard NAME OFFSET: whether the scheduler's log, from there, says that it knows what NAME can do
  local line
  case $1 in
  cinder-volume-*) line="Received volume service update from .*${1#cinder-volume-}@file:" ;;
  cinder-backup-*) line="Received backup service update from ${1#cinder-backup-}:" ;;
  esac
  [ "$(tail -c "+$(($2 + 1))" "$dir/log/cinder-scheduler.out" | grep -c "$line")" -gt 0 ]
}
ready() { # ready NAME: does it work, and may others rely on it?
  local count offset other
  case $1 in
  mariadb) mariadb-admin --no-defaults -uroot -S "$dir/mysql/mysql.sock" ping ;;
  epmd) port $epmd_port ;;
  rabbit) port $mq_port ;;
  memcached) port $memcached_port ;;
  keystone) answers "$keystone/v3" ;;
  swift-proxy) answers "http://127.0.0.1:$swift_port/healthcheck" ;;
  swift-account) port $account_port ;;
  swift-container) port $container_port ;;
  swift-object) port $object_port ;;
  cinder-api) answers "http://127.0.0.1:$api_port/healthcheck" ;;
  cinder-api-noauth) answers "http://127.0.0.1:$noauth_port/healthcheck" ;;
  *)
    # A heartbeat comes only after the service has tidied up and listens. Backups
    # and volumes are given to it only once the scheduler has heard of it.
    read -r count offset <"$dir/run/mark-$1"
    [ "$(reports "$1")" -gt "$count" ] || return 1
    if [ "$1" != cinder-scheduler ]; then
      heard "$1" "$offset"
      return
    fi
    for other in "$dir"/pid/cinder-volume-* "$dir"/pid/cinder-backup-*; do
      other=${other##*/}
      if alive "$other" && ! frozen "$other"; then heard "$other" "$offset" || return 1; fi
    done
    ;;
  esac
}
