#!/bin/sh
# start.sh server | sentinel: makes the configuration that is used, and becomes the program.
#
# SELF: the name of this server; FIRST: the server that is primary when nobody knows better; SENTINELS: the names of the three.
# The configuration is made anew at each start, so a change of redis.conf or sentinel.conf is taken by a restart. Which server
# is primary is asked of the sentinels then: they know what happened since.
set -eu
conf=${CONF_DIR:-/etc/vtgw-redis}
data=${DATA_DIR:-/data}
secrets=${SECRETS_DIR:-/run/secrets}
tls=${TLS_DIR:-/run/tls}
port=${PORT:-6379}
sentinel_port=${SENTINEL_PORT:-26379}
umask 077

# The primary that a sentinel names, or nothing.
primary() {
  for sentinel in $SENTINELS; do
    found=$(REDISCLI_AUTH=$(cat "$secrets/redis-sentinel-password") timeout 3 redis-cli --no-auth-warning --user sentinel \
      --tls --cacert "$tls/ca.crt" -h "$sentinel" -p "$sentinel_port" sentinel get-master-addr-by-name vtgw 2>/dev/null |
      sed -n 1p) || found=""
    case $found in
      "" | *" "*) ;; # no answer, or an error
      *)
        printf '%s\n' "$found"
        return
        ;;
    esac
  done
}

case $1 in
  server)
    cp "$conf/redis.conf" "$data/redis.conf"
    {
      printf 'masteruser replica\nmasterauth %s\n' "$(cat "$secrets/redis-replica-password")"
      printf 'replica-announce-ip %s\nreplica-announce-port %s\n' "$SELF" "$port"
      if [ -n "${MAXMEMORY:-}" ]; then printf 'maxmemory %s\n' "$MAXMEMORY"; fi
      now=$(primary)
      now=${now:-$FIRST}
      if [ "$now" != "$SELF" ]; then printf 'replicaof %s %s\n' "$now" "$port"; fi
    } >>"$data/redis.conf"
    exec redis-server "$data/redis.conf"
    ;;
  sentinel)
    now=$(primary)
    now=${now:-$FIRST}
    password=$(cat "$secrets/redis-sentinel-password")
    # What a sentinel finds out (its own id, the others, the epoch) it writes into its file; that must survive a restart.
    if [ ! -s "$data/sentinel.conf" ]; then
      cp "$conf/sentinel.conf" "$data/sentinel.new"
      {
        printf 'sentinel announce-ip %s\nsentinel announce-port %s\n' "$SELF" "$sentinel_port"
        printf 'sentinel monitor vtgw %s %s 2\n' "$now" "$port"
        printf 'sentinel down-after-milliseconds vtgw 3000\nsentinel failover-timeout vtgw 20000\nsentinel parallel-syncs vtgw 1\n'
        printf 'sentinel auth-user vtgw sentinel\nsentinel auth-pass vtgw %s\n' "$password"
        printf 'sentinel sentinel-user sentinel\nsentinel sentinel-pass %s\n' "$password"
      } >>"$data/sentinel.new"
      mv "$data/sentinel.new" "$data/sentinel.conf"
    fi
    # A name that nobody can resolve yet would end the program.
    tries=0
    until getent ahosts "$now" >/dev/null || [ $tries -ge 60 ]; do
      tries=$((tries + 1))
      sleep 1
    done
    exec redis-server "$data/sentinel.conf" --sentinel
    ;;
  *)
    echo "start.sh server | sentinel" >&2
    exit 2
    ;;
esac
