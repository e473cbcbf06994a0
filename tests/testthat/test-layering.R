# The arrows of ARCHITECTURE.md. They can only be checked where the sources are.

source_root <- function() {
  root <- test_path("..", "..")
  skip_if_not(
    file.exists(file.path(root, "src", "rust", "core", "Cargo.toml")),
    "the package's sources are not here"
  )
  root
}

files_naming <- function(pattern, folder, extension) {
  files <- list.files(
    file.path(source_root(), folder),
    paste0("[.]", extension, "$"),
    recursive = TRUE
  )
  files <- files[!startsWith(files, "target/") & !startsWith(files, "vendor/")]
  hit <- vapply(
    file.path(source_root(), folder, files),
    function(file) any(grepl(pattern, readLines(file))),
    NA
  )
  files[hit]
}

test_that("only core.R calls Rust", {
  wrappers <- readLines(file.path(source_root(), "R", "extendr-wrappers.R"))
  names <- sub(
    " <- function.*",
    "",
    grep(" <- function", wrappers, value = TRUE)
  )
  expect_gt(length(names), 0)
  calls <- paste0("\\b(", paste(names, collapse = "|"), ")\\(")
  expect_equal(files_naming(calls, "R", "R"), "core.R")
  expect_equal(
    files_naming("[.]Call\\(|wrap__", "R", "R"),
    "extendr-wrappers.R"
  )
})

test_that("only optimize/nlopt.rs names the crate nlopt", {
  expect_equal(
    files_naming("\\bNlopt\\b|extern crate nlopt", "src/rust", "rs"),
    "core/src/optimize/nlopt.rs"
  )
})

test_that("the core knows no R", {
  expect_equal(
    files_naming("extendr|libR", "src/rust/core/src", "rs"),
    character()
  )
  expect_false(any(grepl(
    "extendr",
    readLines(file.path(source_root(), "src", "rust", "core", "Cargo.toml"))
  )))
})

test_that("what depends on a covariance structure is in structure.R", {
  # The formula's reader knows two names more: what a bar stands for that has nothing around it.
  quoted <- paste0('"(', paste(names(structures), collapse = "|"), ')"')
  switches <- paste0("^[^#]*(==|!=|%in%|switch[(]).*", quoted)
  expect_setequal(
    files_naming(switches, "R", "R"),
    c("structure.R", "formula.R")
  )
})

test_that("the wrappers are those of the built library", {
  wrappers <- new.env()
  sys.source(file.path(source_root(), "tools", "wrappers.R"), envir = wrappers)
  committed <- readLines(file.path(source_root(), "R", "extendr-wrappers.R"))
  built <- wrappers$wrappers_text(wrappers$installed_library())
  expect_equal(committed, strsplit(built, "\n", fixed = TRUE)[[1]])
})
