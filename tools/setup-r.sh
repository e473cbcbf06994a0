#!/bin/sh
# Sets up the two R versions that rlmm is developed and tested on, as root on Debian:
#   oldest  this system's R (bookworm: R 4.2) with the packages the tests use;
#   newest  a Debian sid chroot (R 4.6, lme4 2.1 and the packages of the ecosystem).
# Usage: tools/setup-r.sh [oldest|newest|both]     (default: both; safe to run again)
# The chroot lives in $RLMM_SID_ROOT (default /opt/rlmm-sid).
set -eu

what=${1:-both}
sid=${RLMM_SID_ROOT:-/opt/rlmm-sid}
export DEBIAN_FRONTEND=noninteractive

build="r-base-dev cmake make gcc g++ xz-utils git ca-certificates pandoc qpdf devscripts fonts-dejavu-core tidy"
used="cli rlang matrix nlme lattice mass testthat withr knitr rmarkdown roxygen2 lme4 mlmrev numderiv
      tibble data.table jsonlite reformulas ggplot2"
newest_only="lmertest pbkrtest emmeans marginaleffects insight performance parameters dharma broom.mixed
      broom car multcomp sandwich clubsandwich ggeffects effects generics arrow glmmtmb devtools"

cran() { for name in "$@"; do printf 'r-cran-%s ' "$name"; done; }

# Packages that this release of Debian knows, of those asked for.
known() { for name in "$@"; do apt-cache show "$name" >/dev/null 2>&1 && printf '%s ' "$name"; done; }

oldest() {
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends $(known $build $(cran $used)) >/dev/null
  R --version | head -n 1
}

newest() {
  if [ ! -x "$sid/usr/bin/apt-get" ]; then
    apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
    mirror=$(sed -n 's/^URIs: *\(.*debian\)\/*$/\1/p; s/^deb \([^ ]*debian\)\/* .*/\1/p' \
      /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
    debootstrap --variant=minbase sid "$sid" ${mirror:+"$mirror"} >/dev/null
  fi
  # A mirror's index may be older than its stated validity.
  echo 'Acquire::Check-Valid-Until "false";' > "$sid/etc/apt/apt.conf.d/99rlmm"
  cp /etc/resolv.conf "$sid/etc/resolv.conf" 2>/dev/null || true
  mkdir -p "$sid/usr/local/share/ca-certificates"
  mountpoint -q "$sid/proc" || mount -t proc proc "$sid/proc"
  mountpoint -q "$sid/dev" || mount --bind /dev "$sid/dev"
  chroot "$sid" apt-get update -qq
  chroot "$sid" apt-get install -y -qq --no-install-recommends cargo rustc $build $(cran $used $newest_only) >/dev/null
  chroot "$sid" R --version | head -n 1
}

case $what in
  oldest) oldest ;;
  newest) newest ;;
  both) oldest; newest ;;
  *) echo "usage: tools/setup-r.sh [oldest|newest|both]" >&2; exit 2 ;;
esac
