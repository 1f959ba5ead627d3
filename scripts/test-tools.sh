#!/bin/sh
# Give the tests their outside tools: Chromium, SIPp, openssl, fonts. On Debian with root they come by apt;
# without root what is there is used, and what is missing is said loudly (its tests are skipped).
set -eu
missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v sipp >/dev/null 2>&1 || missing="$missing sip-tester"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing by apt:$missing"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing fonts-dejavu-core >/dev/null
else
  echo "!!! MISSING:$missing — the tests that need them are SKIPPED. Install them (Debian: apt-get install$missing)." >&2
fi
