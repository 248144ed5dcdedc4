#!/bin/sh
# Install, upgrade and roll back the gateway on one machine, each version in a folder of its own.
#
#   sh deploy/systemd/install.sh install            put this version beside the others (from an unpacked release)
#   sh deploy/systemd/install.sh switch 0.2.0       check, migrate, make it the one in use; whoever is signed in stays so
#   sh deploy/systemd/install.sh rollback           the one that was in use before
#   sh deploy/systemd/install.sh list
#   sh deploy/systemd/install.sh remove 0.1.0
#
# Without a way to the Internet: PIP_NO_INDEX=1 PIP_FIND_LINKS=/media/wheels before the command, with the folder that
# "pip download -r requirements/runtime.txt -r requirements/build.txt" filled elsewhere. Hashes are checked in any case.
# VTGW_ROOT puts everything under another folder, to try it.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
root=${VTGW_ROOT:-}
opt=$root/opt/vt-gateway
etc=$root/etc/vt-gateway
units=$root/etc/systemd/system
service=vt-gateway.service
patience=${VTGW_PATIENCE:-180} # seconds until every worker is of the new version
# What is loaded is what was installed, not what lies in the folder somebody happens to be in.
export PYTHONSAFEPATH=1
cd /

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

version_here() { sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$source/gateway/__init__.py"; }

in_use() { if [ -L "$opt/$1" ]; then basename "$(readlink "$opt/$1")"; fi; }

# point NAME VERSION: in one step, so that nobody ever finds no link.
point() {
  ln -sfn "$2" "$opt/.$1.new"
  mv -T "$opt/.$1.new" "$opt/$1"
}

python_of_this_machine() {
  for one in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$one" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      say "$one"
      return
    fi
  done
  fail "Python 3.11 or newer is needed, with its venv module (Debian: apt-get install python3-venv)"
}

install_version() {
  version=$(version_here)
  [ -n "$version" ] || fail "$source is not a release of the gateway"
  [ ! -e "$opt/$version" ] || fail "version $version is installed already"
  python=$(python_of_this_machine)
  first_time
  # Anything half done stays under another name, and goes with the next try.
  draft=$opt/.$version.draft
  rm -rf "$draft"
  mkdir -p "$opt"
  umask 022
  say "Installing $version (some minutes) …"
  "$python" -m venv "$draft/build"
  # Where it ends up is written into its files, so this one is made there.
  trap 'rm -rf "$draft" "$opt/$version"' EXIT
  # Without pip: nothing is installed into it later.
  "$python" -m venv --without-pip "$opt/$version"
  export PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1
  pip="$draft/build/bin/python -m pip"
  $pip install --require-hashes -r "$source/requirements/build.txt"
  $pip wheel --no-deps --no-build-isolation --wheel-dir "$draft/wheel" "$source"
  $pip --python "$opt/$version/bin/python" install --require-hashes -r "$source/requirements/runtime.txt"
  $pip --python "$opt/$version/bin/python" install --no-deps --no-index "$draft"/wheel/*.whl
  mkdir -p "$opt/$version/share/vt-gateway"
  cp "$source/docs/operations.md" "$source/config/gateway.toml" "$source/CHANGELOG.md" "$source/deploy/backup/backup" \
    "$source/deploy/backup/restore" "$opt/$version/share/vt-gateway/"
  "$opt/$version/bin/python" -c 'import gateway.app' || fail "what was installed cannot be loaded"
  trap - EXIT
  rm -rf "$draft"
  say "Version $version is in $opt/$version."
  if [ -z "$(in_use current)" ]; then
    say "Next: write $etc/gateway.toml (sample: $opt/$version/share/vt-gateway/gateway.toml), then: $0 switch $version"
  else
    say "In use is $(in_use current). Next: $0 switch $version"
  fi
}

# What the first version needs, and later ones renew: the account, folders, units.
first_time() {
  mkdir -p "$units/$service.d" "$etc/secrets" "$etc/tls" "$root/usr/lib/sysusers.d" "$root/usr/local/sbin"
  cp "$here/vt-gateway.sysusers" "$root/usr/lib/sysusers.d/vt-gateway.conf"
  systemd-sysusers "$root/usr/lib/sysusers.d/vt-gateway.conf"
  for folder in "$etc/secrets" "$etc/tls"; do
    chown root:vt-gateway "$folder"
    chmod 0750 "$folder"
  done
  install -d -m 0700 "$root/var/backups/vt-gateway"
  chown vt-gateway:vt-gateway "$root/var/backups/vt-gateway"
  cp "$here/$service" "$here/vt-gateway-backup.service" "$here/vt-gateway-backup.timer" "$units/"
  # What "systemctl --version" begins with: systemd 252 (252.38-1)
  if [ "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')" -ge 253 ]; then
    cp "$here/drop-ins/notify-reload.conf" "$units/$service.d/"
  fi
  install -m 0755 "$here/vt-gateway" "$root/usr/local/sbin/vt-gateway"
  systemctl daemon-reload
}

# as VERSION COMMAND …: as the service would do it.
as() {
  with=$1
  shift
  VTGW_VERSION=$with VTGW_ROOT=$root "$root/usr/local/sbin/vt-gateway" "$@"
}

# The version that answers at the management address, asked often enough to have met every worker.
serving() {
  "$opt/$1/bin/python" - "$etc/gateway.toml" "$1" "$patience" <<'END'
import json, os, sys, time, urllib.request
from pathlib import Path
from gateway.settings import load

address = load(Path(sys.argv[1]), os.environ).listen.management.address
wanted, deadline, agreed = sys.argv[2], time.monotonic() + float(sys.argv[3]), 0
while agreed < 20:
    try:
        with urllib.request.urlopen(f"http://{address}/version", timeout=3) as answer:
            agreed = agreed + 1 if json.load(answer)["version"] == wanted else 0
    except OSError:
        agreed = 0
    if time.monotonic() > deadline:
        sys.exit(f"{wanted} does not serve everywhere")
    time.sleep(0.1)
END
}

switch() {
  version=$1
  [ -x "$opt/$version/bin/python" ] || fail "version $version is not installed; there are: $(versions)"
  before=$(in_use current)
  [ "$version" != "$before" ] || fail "version $version is in use already"
  say "Checking the configuration with $version …"
  as "$version" check || fail "Nothing was changed."
  if [ "${2:-}" != "back" ]; then
    say "Bringing the database to what $version needs …"
    as "$version" migrate || fail "Nothing was switched."
  fi
  point current "$version"
  [ -z "$before" ] || point previous "$before"
  if ! systemctl is-active --quiet "$service"; then
    systemctl enable "$service"
    say "Version $version is the one in use. Start it: systemctl start $service"
    return
  fi
  # The supervisor becomes the new program, then replaces the workers one by one; nobody is signed out, no request is lost.
  systemctl kill --kill-who=main --signal=SIGUSR2 "$service"
  if ! serving "$version"; then
    point current "$before"
    systemctl kill --kill-who=main --signal=SIGUSR2 "$service"
    fail "$version did not come up everywhere; $before goes on. Why: journalctl -u $service"
  fi
  say "Version $version serves. Back again: $0 rollback"
}

versions() {
  for one in "$opt"/*/bin/python; do
    case $one in
      "$opt"/current/* | "$opt"/previous/* | "$opt/*/bin/python") ;;
      *) basename "${one%/bin/python}" ;;
    esac
  done
}

list() {
  for one in $(versions); do
    case $one in
      "$(in_use current)") say "$one  in use" ;;
      "$(in_use previous)") say "$one  before" ;;
      *) say "$one" ;;
    esac
  done
}

case ${1:-} in
  install) install_version ;;
  switch) switch "${2:?which version?}" ;;
  rollback)
    before=$(in_use previous)
    [ -n "$before" ] || fail "there is no version before this one"
    switch "$before" back
    ;;
  list) list ;;
  remove)
    gone=${2:?which version?}
    for kept in current previous; do
      [ "$(in_use $kept)" != "$gone" ] || fail "$gone is the $kept version"
    done
    case $(versions) in *"$gone"*) rm -rf "${opt:?}/$gone" ;; *) fail "version $gone is not installed" ;; esac
    ;;
  *)
    sed -n '2,12s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
