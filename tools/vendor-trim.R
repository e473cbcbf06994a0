# Makes vendored crates small. Usage, in src/rust: Rscript vendor-trim.R CARGO VENDOR-FOLDER Crates
# that no supported system compiles become stubs; the others lose tests, documents and pictures.

targets <- c(
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-gnu"
)

# "name version" of every crate that is compiled for one of the targets.
needed_crates <- function(cargo, manifest = "Cargo.toml") {
  tree <- function(target) {
    args <- c(
      "--locked",
      "--edges",
      "normal,build",
      "--prefix",
      "none",
      "--format",
      shQuote("{p}")
    )
    system2(
      cargo,
      c("tree", "--manifest-path", manifest, args, "--target", target),
      stdout = TRUE
    )
  }
  lines <- unlist(lapply(targets, tree))
  unique(sub("^(\\S+) v(\\S+).*", "\\1 \\2", lines[nzchar(lines)]))
}

toml_value <- function(manifest, key) {
  line <- grep(paste0("^", key, " *= *\""), manifest, value = TRUE)[1L]
  sub("^[^\"]*\"([^\"]*)\".*", "\\1", line)
}

crate_id <- function(crate) {
  manifest <- readLines(file.path(crate, "Cargo.toml"), warn = FALSE)
  paste(toml_value(manifest, "name"), toml_value(manifest, "version"))
}

# Drops the sections of the given kinds, such as [[test]]: their files go too.
drop_sections <- function(manifest, kinds) {
  section <- cumsum(grepl("^\\[", manifest))
  headers <- manifest[match(section, section)]
  manifest[!headers %in% paste0("[[", kinds, "]]")]
}

write_manifest <- function(crate) {
  path <- file.path(crate, "Cargo.toml")
  manifest <- readLines(path, warn = FALSE)
  writeLines(
    drop_sections(manifest, c("test", "bench", "example", "bin")),
    path
  )
}

# Cargo compares with the checksums of files that are listed, and only of those.
forget_checksums <- function(crate) {
  path <- file.path(crate, ".cargo-checksum.json")
  text <- paste(readLines(path, warn = FALSE), collapse = "")
  package <- regmatches(text, regexpr("\"package\":\"[0-9a-f]+\"", text))
  writeLines(paste0("{\"files\":{},", package, "}"), path)
}

# The manifest stays, because Cargo.lock is checked against the dependencies in it.
make_stub <- function(crate) {
  manifest <- readLines(file.path(crate, "Cargo.toml"), warn = FALSE)
  section <- cumsum(grepl("^\\[", manifest))
  lib <- manifest[section == section[match("[lib]", manifest)]]
  source <- toml_value(lib, "path")
  keep <- file.path(crate, c("Cargo.toml", ".cargo-checksum.json"))
  files <- list.files(
    crate,
    all.files = TRUE,
    recursive = TRUE,
    full.names = TRUE
  )
  unlink(setdiff(files, keep))
  source <- file.path(crate, if (is.na(source)) "src/lib.rs" else source)
  dir.create(dirname(source), recursive = TRUE, showWarnings = FALSE)
  file.create(source)
}

# Names of the files that the code includes, such as a README used as documentation.
included_files <- function(crate) {
  sources <- list.files(crate, "[.]rs$", recursive = TRUE, full.names = TRUE)
  text <- unlist(lapply(sources, readLines, warn = FALSE))
  includes <- grep("include(_str|_bytes)?!", text, value = TRUE)
  basename(sub(".*\"([^\"]*)\".*", "\\1", includes))
}

trim_crate <- function(crate) {
  keep <- included_files(crate)
  folders <- c(
    "tests",
    "test",
    "benches",
    "examples",
    "doc",
    "docs",
    "octave",
    "swig",
    "guile",
    "[.]github"
  )
  files <- list.files(crate, all.files = TRUE, recursive = TRUE)
  needless <- grepl(
    paste0("^(nlopt-[^/]*/(src/)?)?(", paste(folders, collapse = "|"), ")/"),
    files
  ) |
    grepl(
      "[.](md|png|svg|jpe?g|gif|ipynb|lock|orig)$|(^|/)[.](?!cargo-checksum)[^/]*$",
      files,
      perl = TRUE
    )
  licence <- grepl(
    "licen[cs]e|copying|copyright|notice",
    basename(files),
    ignore.case = TRUE
  )
  unlink(file.path(
    crate,
    files[needless & !licence & !basename(files) %in% keep]
  ))
}

main <- function(cargo, vendor) {
  needed <- needed_crates(cargo)
  for (crate in list.dirs(vendor, recursive = FALSE)) {
    if (crate_id(crate) %in% needed) {
      trim_crate(crate)
    } else {
      make_stub(crate)
    }
    write_manifest(crate)
    forget_checksums(crate)
  }
}

# As a script, not when sourced.
if (sys.nframe() == 0L) {
  args <- commandArgs(trailingOnly = TRUE)
  main(args[[1L]], args[[2L]])
}
