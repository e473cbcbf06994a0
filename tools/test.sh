#!/bin/sh
# Sets up what is missing and runs all tests: the Rust core's, then the R package's.
# Usage: bash tools/test.sh
set -eu
cd "$(dirname "$0")/.."
. tools/lib-prepare.sh

prepare "rlang Matrix nlme testthat" "$(suggested)"

# One build serves both: the installation takes the profile and the folder that cargo test uses. The
# workspace is named because a crate by itself has its dependencies built with other features.
export RLMM_PROFILE=dev RLMM_TARGET_DIR="$PWD/src/rust/target"
say "rlmm: tests of the Rust core"
(cd src/rust && "$cargo" test --quiet --locked --workspace --target-dir "$RLMM_TARGET_DIR")

install_rlmm
# Some tests have names with letters beyond ASCII, which R parses in a UTF-8 locale alone.
if [ "$(locale charmap 2>/dev/null)" != UTF-8 ]; then export LC_ALL=C.UTF-8; fi
say "rlmm: tests of the R package"
(cd tests && NOT_CRAN=true Rscript testthat.R)
say "rlmm: all tests passed"
