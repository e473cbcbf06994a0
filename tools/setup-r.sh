#!/bin/sh
# Sets up the two R versions that rlmm is developed and tested on, as root on Debian:
#   oldest  this system's R (bookworm: R 4.2) with the packages the tests use;
#   newest  a Debian sid chroot (R 4.6, lme4 2.1 and the packages of the ecosystem).
# Usage: tools/setup-r.sh [oldest|newest|both]     (default: both; safe to run again)
# The chroot lives in $RLMM_SID_ROOT (default /opt/rlmm-sid).
set -eu
. "$(dirname "$0")/lib-debian.sh"

what=${1:-both}
sid=${RLMM_SID_ROOT:-/opt/rlmm-sid}
library=$(cd "$(dirname "$0")" && pwd)/lib-debian.sh

build="r-base-dev cmake make gcc g++ xz-utils git ca-certificates pandoc qpdf devscripts fonts-dejavu-core tidy"
used="cli rlang matrix nlme lattice mass testthat withr knitr rmarkdown roxygen2 lme4 lmertest mlmrev
      bit64 tibble data.table jsonlite ggplot2 emmeans"
newest_only="pbkrtest marginaleffects insight performance parameters dharma broom.mixed
      broom car multcomp sandwich clubsandwich ggeffects effects generics arrow glmmtmb devtools
      lmtest mumin doby sjplot afex mertools mice effectsize broom.helpers mitml flextable gridextra
      rsqlite dbplyr rlrsim bayestestr datawizard bayesplot memisc bbmle prediction rockchalk arm lsmeans
      kableextra pander xtable optimx patchwork caic4 sjstats future future.apply hms"

oldest() {
  apt_update
  apt_install $(known $build $(cran $used))
  R --version | head -n 1
}

# The distribution's mirror that this system uses.
mirror() {
  sed -n 's/^URIs: *\(.*debian\)\/*$/\1/p; s/^deb \([^ ]*debian\)\/* .*/\1/p' \
    /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -n 1
}

make_chroot() {
  apt_install debootstrap
  debootstrap --variant=minbase sid "$sid" $(mirror) >/dev/null
}

# What a chroot needs of its host: names, processes, devices, and the certificates added by hand (a
# proxy's).
share_host() {
  cp /etc/resolv.conf "$sid/etc/resolv.conf" 2>/dev/null || true
  mkdir -p "$sid/usr/local/share/ca-certificates"
  cp /usr/local/share/ca-certificates/*.crt "$sid/usr/local/share/ca-certificates/" 2>/dev/null || true
  mountpoint -q "$sid/proc" || mount -t proc proc "$sid/proc"
  mountpoint -q "$sid/dev" || mount --bind /dev "$sid/dev"
}

newest() {
  # The list of packages that the chroot was last brought up to.
  stamp=$sid/etc/rlmm-packages
  wanted=$(echo $build $used $newest_only)
  [ -x "$sid/usr/bin/apt-get" ] || make_chroot
  share_host
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    cp "$library" "$sid/tmp/lib-debian.sh"
    chroot "$sid" sh -c '. /tmp/lib-debian.sh; apt_update; apt_install cargo rustc $(known $1 $(cran $2))' \
      sh "$build" "$used $newest_only"
    chroot "$sid" update-ca-certificates >/dev/null 2>&1
    echo "$wanted" >"$stamp"
  fi
  chroot "$sid" R --version | head -n 1
}

case $what in
  oldest) oldest ;;
  newest) newest ;;
  both) oldest; newest ;;
  *) echo "usage: tools/setup-r.sh [oldest|newest|both]" >&2; exit 2 ;;
esac
