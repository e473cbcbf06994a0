# Finds what the README's commands need, installs what is missing where it may, and otherwise says
# what to install. Sourced by test.sh and demo.sh, in the package's folder.
#   prepare REQUIRED WANTED      R packages: that it can't do without; installed as well where it may
#   suggested                    the R packages that DESCRIPTION suggests
#   install_rlmm                 builds rlmm into $library, which R then finds

. tools/lib-debian.sh
. tools/find-rust.sh

say() { printf '%s\n' "$*" >&2; }

has() { command -v "$1" >/dev/null 2>&1; }

# The R packages that DESCRIPTION suggests: the tests and vignettes use no others.
suggested() {
  sed -n '/^Suggests:/,/^[^ S]/{ s/^Suggests:/ /; /^ /p; }' DESCRIPTION | sed 's/([^)]*)//g' | tr -s ',\n ' ' '
}

# R packages that are not installed, of those asked for.
missing_r_packages() {
  has Rscript || { echo "$*"; return; }
  Rscript --vanilla -e 'for (name in commandArgs(TRUE)) if (!nzchar(system.file(package = name))) cat(name, "")' "$@"
}

# Words for what else is missing: a subset of "R make rust cmake compiler xz".
missing_tools() {
  has R || printf 'R '
  has make && has cc || printf 'make '
  find_tools
  printf '%s' "${lacks_rust:+rust }${lacks_cmake:+cmake }${lacks_compiler:+compiler }${lacks_xz:+xz }"
}

debian_packages() {
  for what in "$@"; do
    case $what in
      R) printf 'r-base-core fonts-dejavu-core ' ;;
      make) printf 'make gcc libc6-dev ' ;;
      rust) printf '%s ca-certificates ' "$(rust_packages)" ;;
      cmake) printf 'cmake ' ;;
      compiler) printf 'g++ ' ;;
      xz) printf 'xz-utils ' ;;
    esac
  done
}

# Certificates that someone put here by hand (a proxy's) must survive the installation of the usual
# ones: cargo gets a copy of the bundle that it is told to use, which may be the very file that apt
# is about to write.
keep_certificates() {
  bundle=${CARGO_HTTP_CAINFO:-/etc/ssl/certs/ca-certificates.crt}
  if [ -z "${CARGO_HTTP_CAINFO:-}" ] && dpkg -s ca-certificates >/dev/null 2>&1; then return; fi
  if [ -f "$bundle" ]; then
    CARGO_HTTP_CAINFO=$(mktemp)
    export CARGO_HTTP_CAINFO
    cat "$bundle" >"$CARGO_HTTP_CAINFO"
  fi
}

# explain TOOLS R-PACKAGES: what to install, in Debian's words and in R's.
explain() {
  say "rlmm: this needs what is missing here: $(echo $1${2:+ and the R packages $2})"
  say "On Debian or Ubuntu, as root:"
  say "  apt-get install $(debian_packages $1)$(cran $2)"
  if [ -n "$2" ]; then say "Elsewhere the R packages come by install.packages() in R."; fi
  find_tools
  if [ -n "$problems" ]; then explain_tools >&2; fi
}

# prepare REQUIRED WANTED
prepare() {
  find_missing "$1" "$2"
  if [ -n "$tools$packages$extras" ] && [ "$(id -u)" = 0 ] && has apt-get; then
    install_missing "$packages $extras"
    find_missing "$1" "$2"
  fi
  if [ -n "$tools$packages" ]; then
    explain "$tools" "$packages"
    exit 1
  fi
  if [ -n "$extras" ]; then say "rlmm: what needs these R packages is left out: $extras"; fi
  find_tools
}

# find_missing REQUIRED WANTED: sets `tools`, `packages` and `extras`.
find_missing() {
  tools=$(missing_tools)
  packages=$(missing_r_packages $1)
  extras=$(missing_r_packages $2)
}

# install_missing R-PACKAGES: them, and `tools`.
install_missing() {
  say "rlmm: installing with apt-get what is missing: $tools$1"
  keep_certificates
  apt_update || say "rlmm: apt-get update failed; going on with what apt knows."
  apt_install $(debian_packages $tools) $(known $(cran $1)) || say "rlmm: apt-get install failed."
}

# The package goes into a library of its own: the user's is not touched.
install_rlmm() {
  library=$PWD/.local/R-$(Rscript --vanilla -e 'cat(format(getRversion()))')
  mkdir -p "$library"
  log=$library/install.log
  say "rlmm: building (minutes the first time; the log is $log)"
  if ! R CMD INSTALL --no-docs --no-test-load --library="$library" . >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    exit 1
  fi
  R_LIBS=$library${R_LIBS:+:$R_LIBS}
  export R_LIBS
}
