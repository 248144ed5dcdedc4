#!/bin/sh
# Make what compose.yaml needs and nobody else has: passwords, the gateway's keys, and certificates of a private authority for the
# connections between the containers. What is there already is kept, so it can be run again.
#
#   sudo sh prepare.sh            as root: files are given to the users of the containers
#
# You bring yourself, before: tls/people.pem and .key (the certificate of the public address, with its chain), tls/cards.pem and
# .key (that of the card address), the authorities of cards in igc-sante/, secrets/psc-client-secret and secrets/smtp-password.
# After a renewal of a certificate: run this again, then "docker compose kill -s HUP gateway-a gateway-b" and restart the balancer.
set -eu
cd "${1:-$(dirname "$0")}"
here=$(pwd)
templates=${TEMPLATES:-$here/redis}
GATEWAY=10001 REDIS=999 POSTGRES=999 HAPROXY=99 # the users inside the images
umask 077
mkdir -p secrets tls igc-sante
chmod 0755 tls igc-sante # each file in it is for its reader alone

# give OWNER FILE: readable by this user of a container alone.
give() {
  if [ "$(id -u)" = 0 ]; then chown "$1" "$2"; fi
  chmod 0400 "$2"
}

# password NAME OWNER
password() {
  if [ ! -s "secrets/$1" ]; then openssl rand -hex 24 | tr -d '\n' >"secrets/$1"; fi
  give "$2" "secrets/$1"
}

hash_of() { openssl dgst -sha256 -r "secrets/$1" | cut -d' ' -f1; }

password redis-vtgw-password $GATEWAY
password redis-replica-password $REDIS
password redis-sentinel-password $REDIS
password redis-monitoring-password $REDIS
password postgres-password $POSTGRES
for one in users sentinel-users; do
  sed -e "s/VTGW_SHA256/$(hash_of redis-vtgw-password)/" -e "s/REPLICA_SHA256/$(hash_of redis-replica-password)/" \
    -e "s/SENTINEL_SHA256/$(hash_of redis-sentinel-password)/" -e "s/MONITORING_SHA256/$(hash_of redis-monitoring-password)/" \
    "$templates/$one.acl" >"secrets/$one.new"
  mv "secrets/$one.new" "secrets/$one.acl"
  give $REDIS "secrets/$one.acl"
done
printf '*:*:*:vtgw:%s\n' "$(cat secrets/postgres-password)" >secrets/pgpass.new
mv secrets/pgpass.new secrets/pgpass
give $GATEWAY secrets/pgpass

# The two that must never change, and be the same on all machines (docs/operations.md).
if [ ! -s secrets/gateway.key ]; then openssl rand -base64 32 >secrets/gateway.key; fi
if [ ! -s secrets/assertion.pem ]; then
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out secrets/assertion.pem 2>/dev/null
fi
give $GATEWAY secrets/gateway.key
give $GATEWAY secrets/assertion.pem

if [ ! -s tls/ca.key ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=vt-gateway inner authority" \
    -keyout tls/ca.key -out tls/ca.crt 2>/dev/null
fi
chmod 0444 tls/ca.crt
chmod 0400 tls/ca.key

# certificate NAME OWNER NAME…: valid 825 days; renewed when less than 60 are left.
certificate() {
  file=$1
  owner=$2
  shift 2
  if [ -s "tls/$file.crt" ] && openssl x509 -checkend 5184000 -noout -in "tls/$file.crt" >/dev/null; then return; fi
  names=""
  for one in "$@"; do
    case $one in
      *[!0-9.]*) names="$names,DNS:$one" ;;
      *) names="$names,IP:$one" ;;
    esac
  done
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$file" -keyout "tls/$file.key.new" \
    -out "tls/$file.csr" 2>/dev/null
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "${names#,}" >"tls/$file.ext"
  openssl x509 -req -in "tls/$file.csr" -CA tls/ca.crt -CAkey tls/ca.key -CAcreateserial -days 825 -extfile "tls/$file.ext" \
    -out "tls/$file.crt.new" 2>/dev/null
  mv "tls/$file.key.new" "tls/$file.key"
  mv "tls/$file.crt.new" "tls/$file.crt"
  rm -f "tls/$file.csr" "tls/$file.ext"
  give "$owner" "tls/$file.key"
  chmod 0444 "tls/$file.crt"
}
# shellcheck disable=SC2086 # the lists are meant to be split
{
  certificate redis $REDIS ${REDIS_NAMES:-redis-1 redis-2 redis-3 sentinel-1 sentinel-2 sentinel-3}
  certificate postgres $POSTGRES ${POSTGRES_NAMES:-postgres}
  # Towards the balancer, which ends the TLS of people.
  certificate gateway $GATEWAY ${GATEWAY_NAMES:-gateway-a gateway-b}
}

missing=""
for one in tls/people.pem tls/people.key tls/cards.pem tls/cards.key secrets/psc-client-secret secrets/smtp-password; do
  if [ ! -s "$one" ]; then
    missing="$missing $one"
    continue
  fi
  case $one in
    *.pem) chmod 0444 "$one" ;;
    *) give $GATEWAY "$one" ;;
  esac
done
if [ -n "$missing" ]; then
  echo "$here: still to be brought:$missing" >&2
  exit 1
fi
cat tls/people.pem tls/people.key >tls/haproxy.new
mv tls/haproxy.new tls/haproxy.pem
give $HAPROXY tls/haproxy.pem
echo "$here: secrets/ and tls/ are complete."
