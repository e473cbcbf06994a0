# Fits random models and checks each of them: `Rscript tools/fuzz.R 300 [seed]`, with rlmm installed
# and the package's root as working directory. The seed is that of the first model, the next ones
# follow; without one it is that of the week. Prints a table of what was checked and every defect
# with its seed. Ends with status 1 if a fit fails without a reason, isn't finite, takes long or has
# another criterion than dense algebra; or if more than one linear model, or more than 1 % of the
# generalized ones, end above another optimizer or depend on what shouldn't matter, though their
# certificates don't say that another optimum may be lower: what is known stands in bench/README.md.
# `Rscript tools/fuzz.R 1 SEED` repeats one model. With a file as a third argument a line for each
# model is added to it; `Rscript tools/fuzz.R table FILE` prints what such a file says, as in
# bench/README.md.
#
# The models are those of fuzz-models.R; what is checked of them is in fuzz-checks.R.

suppressPackageStartupMessages(library(rlmm))
options(rlmm.progress = FALSE)

source("tools/fuzz-models.R")
source("tools/fuzz-checks.R")

# Run -------------------------------------------------------------------------

outcome_kind <- function(found) {
  if (!inherits(found$fit, "rlmm")) {
    "an error that says why"
  } else if (is_ambiguous(found)) {
    "says that it has no single optimum"
  } else if (has_warned(found)) {
    "warns that it isn't an optimum"
  } else if (may_be_lower(found)) {
    "says that another optimum may be lower"
  } else {
    "an optimum"
  }
}

#' The names of the checks that apply to a fit
#' @noRd
checks_of <- function(found) {
  if (!inherits(found$fit, "rlmm")) {
    c("outcome", "time")
  } else if (is_ambiguous(found)) {
    c("outcome", "finite", "dense", "time")
  } else if (has_warned(found)) {
    c("outcome", "finite", "dense", "optimum", "time")
  } else {
    names(checks)
  }
}

#' The defects of one model, by check
#' @noRd
try_model <- function(seed) {
  model <- random_model(seed)
  fits$longest <- 0
  found <- fit_model(model)
  own <- checks[checks_of(found)]
  defects <- lapply(own, \(check) {
    tryCatch(check(model, found), error = \(e) {
      paste("the check failed:", conditionMessage(e))
    })
  })
  list(
    model = model,
    defects = Filter(Negate(is.null), defects),
    says_so = may_be_lower(found),
    run = names(own),
    kind = outcome_kind(found)
  )
}

describe <- function(model) {
  arguments <- model$arguments[c("REML", "sigma", "family", "nAGQ")]
  arguments <- Filter(Negate(is.null), c(arguments, list(fixed = model$held)))
  paste(
    deparse(model$formula),
    paste(names(arguments), lapply(arguments, deparse), collapse = " ")
  )
}

# Whether a check failed that never may, or another one too often: with few observations or levels
# there are optima without number, of which no search finds the best in every case.
is_too_bad <- function(defects, models) {
  never <- defects$check %in% c("outcome", "finite", "dense", "time")
  others <- defects[!never & !defects$says_so, ]
  count <- \(kind) length(unique(others$seed[others$kind == kind]))
  any(never) ||
    count("linear") > 1L ||
    count("generalized") > max(1, 0.01 * models[["generalized"]])
}

print_defect <- function(seed, name, found) {
  cat(
    "seed ",
    seed,
    " ",
    name,
    ": ",
    found$defects[[name]],
    if (found$says_so) " (the certificate says that others may be lower)",
    "\n    ",
    describe(found$model),
    "\n",
    sep = ""
  )
}

count_by <- function(kinds, names) {
  table(factor(names, names(checks)), factor(kinds, model_kinds))
}

model_kinds <- c("linear", "generalized")

#' Adds what was found of one model to a file
#' @noRd
keep_record <- function(file, seed, found, n_fits) {
  record <- c(
    seed,
    found$model$kind,
    found$kind,
    n_fits,
    paste(found$run, collapse = " "),
    paste(names(found$defects), collapse = " ")
  )
  cat(record, sep = "\t", file = file, append = TRUE)
  cat("\n", file = file, append = TRUE)
}

read_records <- function(file) {
  names <- c("seed", "kind", "outcome", "fits", "run", "defects")
  utils::read.delim(
    file,
    header = FALSE,
    col.names = names,
    colClasses = c(
      "integer",
      rep("character", 2L),
      "integer",
      rep("character", 2L)
    )
  )
}

table_line <- function(...) cat("|", paste(..., sep = " | "), "|\n")

print_table <- function(file) {
  records <- read_records(file)
  has <- function(column, check, kind) {
    checked <- strsplit(records[[column]], " ", fixed = TRUE)
    sum(vapply(checked, \(own) check %in% own, NA) & records$kind == kind)
  }
  table_line("check", "linear", "defects", "generalized", "defects")
  table_line("---", "---:", "---:", "---:", "---:")
  for (check in names(checks)) {
    numbers <- vapply(
      model_kinds,
      \(kind) c(has("run", check, kind), has("defects", check, kind)),
      c(0L, 0L)
    )
    table_line(meanings[[check]], paste(numbers, collapse = " | "))
  }
  cat("\n")
  table_line("outcome", "linear", "generalized")
  table_line("---", "---:", "---:")
  outcomes <- table(records$outcome, factor(records$kind, model_kinds))
  for (outcome in rownames(outcomes)) {
    table_line(outcome, paste(outcomes[outcome, ], collapse = " | "))
  }
  bad <- records[nzchar(records$defects), ]
  cat(sprintf(
    "\n%d models, %d fits, %d models with a defect: %s\n",
    nrow(records),
    sum(records$fits),
    nrow(bad),
    toString(bad$seed)
  ))
}

meanings <- c(
  outcome = "a fit, or an error that says why; no condition without a class",
  finite = "all numbers finite",
  dense = "the criterion is that of dense algebra (linear models)",
  optimum = "not above BOBYQA, L-BFGS and three random starts; no false alarm",
  rows = "the same with rows in another order",
  levels = "the same with other names of levels",
  origin = "the same with another origin of the covariate",
  units = "the same with another unit of the response",
  copies = "the same with rows twice and with the frequency two",
  split = "the same with rows of half the weight, and with trials as rows",
  refit = "a refit to a simulated response is the fit to it",
  time = "each fit within 20 s"
)

main <- function(n, first, file = NULL) {
  cat("rlmm", format(utils::packageVersion("rlmm")), "seeds from", first, "\n")
  run <- defects <- data.frame()
  outcomes <- kinds <- character()
  for (seed in seq(first, length.out = n)) {
    before <- fits$count
    found <- try_model(seed)
    if (!is.null(file)) {
      keep_record(file, seed, found, fits$count - before)
    }
    kind <- found$model$kind
    run <- rbind(run, data.frame(kind, check = found$run))
    outcomes <- c(outcomes, found$kind)
    kinds <- c(kinds, kind)
    for (name in names(found$defects)) {
      defect <- data.frame(kind, check = name, seed, says_so = found$says_so)
      defects <- rbind(defects, defect)
      print_defect(seed, name, found)
    }
  }
  counts <- cbind(
    count_by(run$kind, run$check),
    count_by(defects$kind, defects$check)
  )
  colnames(counts) <- paste(rep(c("models", "defects"), each = 2), model_kinds)
  print(counts)
  print(as.data.frame(table(outcome = outcomes), responseName = "models"))
  models <- table(factor(kinds, model_kinds))
  quit(status = as.integer(nrow(defects) > 0L && is_too_bad(defects, models)))
}

helper <- "tests/testthat/helper-dense.R"
environment <- new.env(parent = asNamespace("rlmm"))
sys.source(helper, environment)
dense_estimates <- environment$dense_estimates

arguments <- commandArgs(trailingOnly = TRUE)
week <- as.integer(Sys.time()) %/% (7L * 86400L)
if (identical(arguments[1L], "table")) {
  print_table(arguments[2L])
} else if (!interactive()) {
  main(
    if (length(arguments) > 0L) as.integer(arguments[1L]) else 300L,
    if (length(arguments) > 1L) as.integer(arguments[2L]) else 1000L * week,
    if (length(arguments) > 2L) arguments[3L]
  )
}
