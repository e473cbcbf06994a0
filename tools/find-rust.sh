# Finds the programs that build the Rust library. Sourced by configure, in the package's folder.
#   find_tools      sets `cargo`, `rustc`, `cmake` (paths) and `problems` (a line for each that won't do)
#   explain_tools   says what is wrong and how to get what is missing
# Environment: CARGO, RUSTC and CMAKE name the programs to use; otherwise PATH and then rustup's
# folder are searched.

min_rustc=1.85
min_cmake=3.13

case $(uname -s) in
  MINGW* | MSYS* | CYGWIN* | UCRT*) os=windows ;;
  Darwin) os=macos ;;
  *) os=unix ;;
esac

# PATH, then where installers put things that R's PATH often lacks.
search_path() {
  home=$HOME
  if [ "$os" = windows ] && [ -n "${USERPROFILE:-}" ]; then home=$(cygpath "$USERPROFILE"); fi
  printf '%s' "$PATH:${CARGO_HOME:+$CARGO_HOME/bin:}$home/.cargo/bin"
  if [ "$os" = macos ]; then printf ':/opt/homebrew/bin:/usr/local/bin:/Applications/CMake.app/Contents/bin'; fi
}

# version_of PROGRAM: "1.85" of its first line of --version, nothing if it doesn't run.
version_of() { "$1" --version 2>/dev/null | sed -n '1s/^[^0-9]*\([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p'; }

# at_least VERSION MINIMUM
at_least() {
  major=${1%%.*} minor=${1#*.} min_major=${2%%.*} min_minor=${2#*.}
  [ "$major" -gt "$min_major" ] || { [ "$major" -eq "$min_major" ] && [ "$minor" -ge "$min_minor" ]; }
}

# find_program NAME MINIMUM FOLDERS GIVEN: sets `found` to the first that is new enough, or else `problem`.
find_program() {
  found='' problem="${4:-$1} was not found"
  old_ifs=$IFS IFS=:
  for dir in $3; do
    candidate=$(command -v "${4:-$dir/$1}" 2>/dev/null) && [ -f "$candidate" ] || continue
    version=$(version_of "$candidate")
    if [ -z "$version" ]; then
      problem="$candidate doesn't run"
    elif at_least "$version" "$2"; then
      found=$candidate
      break
    else
      problem="$candidate is version $version, too old"
    fi
  done
  IFS=$old_ifs
}

# need WHAT TEXT: notes a problem; `lacks_rust`, `lacks_cmake`... choose the words of explain_tools.
need() {
  eval "lacks_$1=yes"
  problems="$problems
  - $2"
}

find_tools() {
  problems='' lacks_rust='' lacks_cmake='' lacks_compiler='' lacks_xz=''
  folders=$(search_path)
  find_program rustc $min_rustc "$folders" "${RUSTC:-}"
  rustc=$found
  if [ -z "$rustc" ]; then need rust "$problem; version $min_rustc or newer is needed."; fi
  # The two come in pairs: cargo is looked for beside the rustc that is used, first.
  find_program cargo $min_rustc "${rustc:+$(dirname "$rustc"):}$folders" "${CARGO:-}"
  cargo=$found
  if [ -z "$cargo" ]; then need rust "$problem; version $min_rustc or newer is needed."; fi
  find_program cmake $min_cmake "$folders" "${CMAKE:-}"
  cmake=$found
  if [ -z "$cmake" ]; then need cmake "$problem; version $min_cmake or newer is needed."; fi
  # NLopt's cmake files look for one, though the sources are C.
  if ! command -v "${CXX:-c++}" >/dev/null 2>&1 && ! command -v g++ >/dev/null 2>&1; then
    need compiler "a C++ compiler was not found."
  fi
  if [ -f src/rust/vendor.tar.xz ] && ! command -v xz >/dev/null 2>&1; then
    need xz "xz was not found: the Rust sources in this package are compressed with it."
  fi
}

explain_tools() {
  rule=------------------------------------------------------------------------
  apt="${lacks_rust:+ cargo rustc}${lacks_cmake:+ cmake}${lacks_compiler:+ g++}${lacks_xz:+ xz-utils}"
  dnf="${lacks_rust:+ cargo rust}${lacks_cmake:+ cmake}${lacks_compiler:+ gcc-c++}${lacks_xz:+ xz}"
  brew="${lacks_rust:+ rust}${lacks_cmake:+ cmake}${lacks_xz:+ xz}"
  rtools="${lacks_cmake:+ cmake}${lacks_compiler:+ g++}${lacks_xz:+ xz}"
  echo "$rule"
  echo "rlmm is compiled from Rust, and can't be built here:$problems"
  echo "How to get what is missing:"
  echo "  Debian, Ubuntu  apt-get install$apt"
  if [ -n "$lacks_rust" ]; then
    echo "                  (Debian 12: cargo-web rustc-web; Ubuntu: the newest cargo-1.xx rustc-1.xx,"
    echo "                  then set the environment variables CARGO and RUSTC to them)"
  fi
  echo "  Fedora          dnf install$dnf"
  if [ -n "$brew" ]; then echo "  macOS           brew install$brew"; fi
  if [ -n "$lacks_compiler" ]; then echo "  macOS           xcode-select --install"; fi
  if [ -n "$lacks_rust" ]; then echo "  Windows         rustup, then: rustup target add x86_64-pc-windows-gnu"; fi
  if [ -n "$rtools" ]; then echo "  Windows         Rtools brings$rtools"; fi
  if [ -n "$lacks_rust" ]; then
    echo "  Anywhere        rustup, without root: see https://www.rust-lang.org/tools/install"
  fi
  echo "$rule"
}
