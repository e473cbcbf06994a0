#!/bin/sh
# Makes the release: rlmm_<version>.tar.gz, with its vignettes built and the Rust crates inside, so
# that it installs without a network. Usage: tools/release.sh [FOLDER]    (default: here)
set -eu
cd "$(dirname "$0")/.."
. tools/lib-prepare.sh

prepare "rlang Matrix nlme knitr rmarkdown" "$(suggested)"
out=$(cd "${1:-.}" && pwd)
version=$(sed -n 's/^Version: *//p' DESCRIPTION)
tarball=rlmm_$version.tar.gz
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

# Only what is committed or about to be: a copy spares R CMD build cargo's target folder.
copy_sources() {
  mkdir -p "$stage/rlmm"
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null | tar cf - -T -
  else
    tar cf - --exclude=./src/rust/target --exclude=./.local .
  fi | tar xf - -C "$stage/rlmm"
}

# Builds the vignettes with the library that tools/test.sh has built too, before the crates are
# added: the crates would be compiled once more, from another folder.
build_sources() {
  (cd "$stage" && RLMM_PROFILE=dev RLMM_TARGET_DIR=$1 R CMD build rlmm)
  rm -rf "$stage/rlmm"
  tar xzf "$stage/$tarball" -C "$stage"
}

add_crates() {
  (
    cd "$stage/rlmm/src/rust"
    "$cargo" vendor --quiet --locked vendor >/dev/null
    cat >vendor-config.toml <<'END'
[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "vendor"
END
    Rscript --vanilla "$1/tools/vendor-trim.R" "$cargo" vendor
    tar --sort=name --mtime=2000-01-01 --owner=0 --group=0 --numeric-owner -cf - vendor | xz -9e >vendor.tar.xz
    rm -rf vendor
  )
}

copy_sources
build_sources "$PWD/src/rust/target"
add_crates "$PWD"
tar --sort=name --owner=0 --group=0 --numeric-owner -C "$stage" -czf "$out/$tarball" rlmm
size=$(wc -c <"$out/$tarball")
say "rlmm: $out/$tarball, $((size / 1000)) kB"
if [ "$size" -ge 10000000 ]; then
  say "rlmm: that is more than the 10 MB which CRAN takes."
  exit 1
fi
