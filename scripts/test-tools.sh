#!/bin/sh
# Give the tests their outside tools: Chromium, SIPp, openssl, fonts, systemd-analyze, Caddy, nginx. On Debian with root
# they come by apt; without root what is there is used, and what is missing is said loudly (its tests are skipped).
set -eu
missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v sipp >/dev/null 2>&1 || missing="$missing sip-tester"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
command -v systemd-analyze >/dev/null 2>&1 || missing="$missing systemd"

# Caddy and nginx are only unpacked, into this folder: an installed one would begin to serve on this machine.
tree=.tools/tree
proxies=""
for each in caddy nginx; do
  PATH="$PATH:/usr/sbin:$tree/usr/bin:$tree/usr/sbin" command -v $each >/dev/null 2>&1 || proxies="$proxies $each"
done
[ -n "$missing$proxies" ] || exit 0

apt=""
if command -v apt-get >/dev/null 2>&1; then
  apt=yes
  [ "$(id -u)" != 0 ] || apt-get update -qq
fi
if [ -n "$missing" ] && [ -n "$apt" ] && [ "$(id -u)" = 0 ]; then
  echo "installing by apt:$missing"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing fonts-dejavu-core >/dev/null
elif [ -n "$missing" ]; then
  echo "!!! MISSING:$missing — the tests that need them are SKIPPED. Install them (Debian: apt-get install$missing)." >&2
fi
for each in $proxies; do
  if [ -n "$apt" ] && mkdir -p "$tree" .tools/debs && (cd .tools/debs && apt-get download -qq $each >/dev/null 2>&1); then
    echo "unpacking: $each"
    for package in .tools/debs/${each}_*.deb; do dpkg -x "$package" "$tree"; done
  else
    echo "!!! MISSING: $each — the tests behind it are SKIPPED. Install it (Debian: apt-get install $each)." >&2
  fi
done
