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
    c("structure.R", "bar.R")
  )
})

# What one file of R code defines, and which names it uses: calls, and symbols that aren't local
# variables. Names after `$`, `@` and `::`, and the names of arguments, aren't uses.
names_in_file <- function(file) {
  expressions <- parse(file, keep.source = TRUE)
  tokens <- utils::getParseData(expressions)
  tokens <- tokens[tokens$terminal & tokens$token != "COMMENT", ]
  owner <- findInterval(
    tokens$line1,
    vapply(attr(expressions, "srcref"), `[`, 1L, 1L)
  )
  list(
    defined = unlist(lapply(expressions, assigned_name)),
    used = unique(unlist(lapply(split(tokens, owner), used_names)))
  )
}

assigned_name <- function(expression) {
  is_assignment <- is.call(expression) && expression[[1]] == quote(`<-`)
  if (is_assignment && is.symbol(expression[[2]])) {
    as.character(expression[[2]])
  }
}

# The tokens of one top-level expression.
used_names <- function(tokens) {
  n <- nrow(tokens)
  before <- c("", tokens$token[-n])
  after <- c(tokens$token[-1], "")
  text <- gsub("`", "", tokens$text, fixed = TRUE)
  is_free <- !before %in% c("'$'", "'@'", "NS_GET", "NS_GET_INT")
  is_symbol <- tokens$token == "SYMBOL" & is_free
  is_local <- tokens$token == "SYMBOL_FORMALS" |
    is_symbol & after %in% c("LEFT_ASSIGN", "IN")
  is_call <- tokens$token == "SYMBOL_FUNCTION_CALL" & is_free
  union(text[is_call], setdiff(text[is_symbol], text[is_local]))
}

# For each file the others whose names it uses.
uses_between <- function(files) {
  found <- lapply(stats::setNames(files, basename(files)), names_in_file)
  defined <- lapply(found, `[[`, "defined")
  home <- stats::setNames(rep(names(found), lengths(defined)), unlist(defined))
  uses <- lapply(found, function(file) {
    unique(home[intersect(file$used, names(home))])
  })
  list(
    defined = unlist(defined),
    uses = Map(setdiff, uses, names(uses))
  )
}

# A way from a file back to itself, or `NULL`: what is left when files that use no other are taken
# away, again and again.
find_cycle <- function(uses) {
  repeat {
    is_leaf <- lengths(uses) == 0
    if (!any(is_leaf)) {
      break
    }
    uses <- lapply(uses[!is_leaf], setdiff, names(uses)[is_leaf])
  }
  if (length(uses) == 0) {
    return(NULL)
  }
  way <- names(uses)[1]
  while (!anyDuplicated(way)) {
    way <- c(way, uses[[way[length(way)]]][1])
  }
  way[match(way[length(way)], way):length(way)]
}

test_that("the files of R/ use each other in one direction", {
  files <- list.files(
    file.path(source_root(), "R"),
    "[.]R$",
    full.names = TRUE
  )
  found <- uses_between(files)
  expect_identical(anyDuplicated(found$defined), 0L)
  expect_gt(sum(lengths(found$uses)), length(files))
  expect_null(find_cycle(found$uses))
})

test_that("a cycle of files is found and named", {
  folder <- withr::local_tempdir()
  files <- file.path(folder, c("a.R", "b.R", "c.R", "d.R"))
  writeLines("f <- function(x) lapply(x, g)", files[1])
  writeLines("g <- function(f) list(h$f, f = f)", files[2])
  writeLines("h <- function() pkg::i()", files[3])
  writeLines("i <- function() f(h)", files[4])
  expect_null(find_cycle(uses_between(files)$uses))
  writeLines("g <- function() i", files[2])
  expect_setequal(
    find_cycle(uses_between(files)$uses),
    c("a.R", "b.R", "d.R")
  )
})

test_that("no state outlives a call", {
  expect_identical(files_naming("<<-", "R", "R"), character())
  objects <- as.list(asNamespace("rlmm"))
  # But for the fit that last_rlmm() returns.
  expect_identical(names(Filter(is.environment, objects)), "interrupted")
})

test_that("the wrappers are those of the built library", {
  wrappers <- new.env()
  sys.source(file.path(source_root(), "tools", "wrappers.R"), envir = wrappers)
  committed <- readLines(file.path(source_root(), "R", "extendr-wrappers.R"))
  built <- wrappers$wrappers_text(wrappers$installed_library())
  expect_equal(committed, strsplit(built, "\n", fixed = TRUE)[[1]])
})
