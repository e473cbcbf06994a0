# Debian's names and apt, for the scripts here that install what they need. Sourced, not run.

# The Debian packages of R packages.
cran() { for name in "$@"; do printf 'r-cran-%s ' "$name" | tr '[:upper:]' '[:lower:]'; done; }

# Those of the given Debian packages that this release has.
known() { for name in "$@"; do apt-cache show "$name" >/dev/null 2>&1 && printf '%s ' "$name"; done; }

# A mirror's index may be older than its stated validity.
apt_update() { apt-get update -qq 2>/dev/null || apt-get update -qq -o Acquire::Check-Valid-Until=false; }

# apt_install PACKAGE...: silent unless it fails.
apt_install() {
  log=$(mktemp)
  # Services ask questions and write to the terminal; nobody is there to answer.
  if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# The packages of a Rust that is new enough; Debian 12 has it under other names.
rust_packages() {
  for suffix in '' -web; do
    version=$(apt-cache policy "rustc$suffix" 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    if [ -n "$version" ] && [ "${version#* }" -ge 85 ]; then
      echo "cargo$suffix rustc$suffix"
      return
    fi
  done
}
