#!/bin/sh
# Regenerates NAMESPACE and man/ from the comments in R/. Compiles nothing.
set -eu
cd "$(dirname "$0")/.."
exec Rscript tools/document.R
