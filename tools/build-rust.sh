#!/bin/sh
# Called by src/Makevars, in src:
#   build           builds the Rust library and puts it at rust/librlmm.a
#   finish SHLIB    after linking: tidies up
# CARGO, RUSTC and CMAKE come from configure. Environment for developers:
#   RLMM_PROFILE=dev       cargo's dev profile: optimised, without the slow link-time optimisation
#   RLMM_TARGET_DIR=DIR    cargo's target folder, kept after the installation
set -eu

# devtools compiles by installing into a folder of this name, and asks by DEBUG for a build without
# optimisation. It gets the dev profile: as fast to rebuild, and still optimised.
case ${R_LIBRARY_DIR:-} in
  *devtools_install_*) by_devtools=yes default=dev ;;
  *) by_devtools='' default=release ;;
esac
profile=${RLMM_PROFILE:-$default}
case $profile in
  dev) folder=debug ;;
  release) folder=release ;;
  *) echo "RLMM_PROFILE must be \"dev\" or \"release\", not \"$profile\"." >&2; exit 1 ;;
esac
target_dir=${RLMM_TARGET_DIR:-$PWD/rust/target}
# A relative one is taken from the package's folder.
case $target_dir in /* | ?:*) ;; *) target_dir=$PWD/../$target_dir ;; esac

build() {
  PATH="$(dirname "$CARGO"):$(dirname "$RUSTC"):$PATH"
  export CARGO RUSTC CMAKE PATH
  # What the user has set for other projects must not redirect the output, and make's job server is
  # not cargo's.
  unset CARGO_TARGET_DIR CARGO_BUILD_TARGET CARGO_BUILD_TARGET_DIR MAKEFLAGS MFLAGS MAKELEVEL
  flags="--lib --locked --profile $profile"

  if [ -f rust/vendor.tar.xz ]; then
    # The release tarball brings the crates: no network, two jobs, nothing written to the user's
    # folders.
    flags="$flags --offline -j 2"
    (cd rust && xz -dc vendor.tar.xz | tar xf -)
    mkdir -p rust/.cargo
    cp rust/vendor-config.toml rust/.cargo/config.toml
    CARGO_HOME=$PWD/rust/.cargo
    export CARGO_HOME
  fi

  case $(uname -s) in
    Darwin)
      # Otherwise the C code of NLopt is built for a newer system than R.
      : "${MACOSX_DEPLOYMENT_TARGET:=11.0}"
      export MACOSX_DEPLOYMENT_TARGET ;;
    MINGW* | MSYS* | CYGWIN* | UCRT*)
      flags="$flags --target x86_64-pc-windows-gnu"
      : "${CMAKE_GENERATOR:=MSYS Makefiles}"
      # Rust's gnu target names libgcc_eh, which Rtools has inside libgcc.
      mkdir -p "$target_dir/libgcc_mock"
      : >"$target_dir/libgcc_mock/libgcc_eh.a"
      LIBRARY_PATH="${LIBRARY_PATH:+$LIBRARY_PATH;}$target_dir/libgcc_mock"
      export CMAKE_GENERATOR LIBRARY_PATH ;;
  esac

  # In rust/: cargo reads the configuration there, and in no folder of the caller.
  (cd rust && "$CARGO" build $flags --target-dir "$target_dir")
  # A target named on the command line or in the user's configuration adds a folder.
  built=$(ls -t "$target_dir/$folder/librlmm.a" "$target_dir"/*/"$folder/librlmm.a" 2>/dev/null | head -n 1)
  cp "$built" rust/librlmm.a
}

# finish SHLIB
finish() {
  # devtools::document() and rextendr::document() expect the build to bring the wrappers up to date.
  if [ -n "$by_devtools" ] && [ -f ../tools/wrappers.R ]; then
    (cd .. && "$R_HOME/bin/Rscript" --vanilla tools/wrappers.R "src/$1")
  fi
  rm -rf rust/librlmm.a rust/.cargo rust/vendor
  if [ "$profile" = release ] && [ -z "${RLMM_TARGET_DIR:-}" ]; then
    # R CMD check reads objects left in the sources as part of the package.
    rm -rf "$target_dir/release"
    [ -d "$target_dir/debug" ] || rm -rf "$target_dir"
  fi
}

"$@"
