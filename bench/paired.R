# Two builds of rlmm beside each other: Rscript bench/paired.R OLD NEW [glmm]
#
# OLD and NEW are libraries in which the two are installed. Their processes take turns, three each;
# the time of a model is the least of the medians. Prints the rows that differ most, and the median
# ratio. With "glmm" the generalized models of bench/models.R; else those of the first table and
# tests/testthat/helper-models.R.

one_round <- function(which) {
  suppressPackageStartupMessages(library(rlmm))
  source("tests/testthat/helper-models.R")
  source("tests/testthat/helper-registry-glmm.R")
  source("bench/models.R")
  models <- if (which == "glmm") {
    bench_glmms(slow = FALSE)
  } else {
    c(bench_models(slow = FALSE), lmm_models)
  }
  for (name in unique(names(models))) {
    cat(name, "\t", seconds(models[[name]]), "\n", sep = "")
  }
}

seconds <- function(model) {
  data <- glmm_frame(model)
  if (is.null(data)) {
    return(NA)
  }
  fitter <- if (is.null(model$args$family)) rlmm else rglmm
  call <- \() suppressMessages(lmm_fit(fitter, model, data = data))
  median_time(\() suppressWarnings(call()))
}

# The median of as many calls as fit in half a second, at least three.
median_time <- function(call) {
  gc()
  first <- elapsed(call())
  times <- replicate(max(3, min(100, floor(0.5 / first))), elapsed(call()))
  stats::median(times)
}

elapsed <- function(expr) {
  start <- Sys.time()
  force(expr)
  as.numeric(difftime(Sys.time(), start, units = "secs"))
}

measured <- function(library, which) {
  script <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
  lines <- system2(
    file.path(R.home("bin"), "Rscript"),
    c(shQuote(script), "--round", which),
    stdout = TRUE,
    env = paste0("R_LIBS=", library)
  )
  fields <- strsplit(lines, "\t", fixed = TRUE)
  values <- as.numeric(vapply(fields, `[[`, "", 2L))
  stats::setNames(values, vapply(fields, `[[`, "", 1L))
}

compare <- function(libraries, which) {
  rounds <- replicate(
    3,
    sapply(libraries, measured, which = which),
    simplify = FALSE
  )
  least <- do.call(pmin, rounds)
  table <- data.frame(old = least[, 1], new = least[, 2])
  table$ratio <- table$new / table$old
  table <- table[order(-table$ratio), ]
  print(utils::head(table, 20), digits = 3)
  cat(sprintf(
    "%d models: median ratio %.3f, largest %.3f, smallest %.3f.\n",
    nrow(table),
    stats::median(table$ratio, na.rm = TRUE),
    max(table$ratio, na.rm = TRUE),
    min(table$ratio, na.rm = TRUE)
  ))
}

arguments <- commandArgs(TRUE)
if (identical(arguments[1L], "--round")) {
  one_round(arguments[2L])
} else {
  compare(arguments[1:2], if ("glmm" %in% arguments) "glmm" else "linear")
}
