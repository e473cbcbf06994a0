#!/bin/sh
# Sets up what is missing, fits linear and generalized models to the data sets, prints them, draws
# demo.png, and says how to go on.
# Usage: bash tools/demo.sh
set -eu
cd "$(dirname "$0")/.."
. tools/lib-prepare.sh

prepare "rlang Matrix nlme" "lattice"
export RLMM_TARGET_DIR="$PWD/src/rust/target"
install_rlmm
exec Rscript tools/demo.R demo.png
