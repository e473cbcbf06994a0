# How often intervals hold the truth, and tests of true hypotheses reject: simulated data, nominal
# 95 % and 5 %.
#
#   Rscript bench/coverage.R [cell ...]    all cells, or some; to bench/coverage.csv
#   Rscript bench/coverage.R 200 few       with another number of data sets than 1,000
#
# A cell is a design with its truth. Data set i of a cell is drawn after set.seed(i), whatever else
# is run. vignette("inference") prints the table, from its copy in vignettes/.

library(rlmm)

# Cells ---------------------------------------------------------------------

#' @param sizes Number of observations of each group.
#' @param sd Standard deviations of the random intercepts and slopes.
#' @param formula What is fitted: where it has no slopes but the truth has, the model is wrong.
linear_cell <- function(sizes, sd, formula = y ~ x + f + (1 | g)) {
  list(
    sizes = sizes,
    sd = sd,
    draw = \(eta) eta + rnorm(length(eta)),
    fit = \(d, ...) rlmm(formula, d, ...),
    linear = TRUE
  )
}

binomial_cell <- function(sizes, sd) {
  list(
    sizes = sizes,
    sd = sd,
    draw = \(eta) rbinom(length(eta), 1, plogis(eta)),
    fit = \(d, ...) rglmm(y ~ x + f + (1 | g), d, family = binomial, ...),
    linear = FALSE
  )
}

cells <- list(
  balanced = linear_cell(rep(5, 18), c(1, 0)),
  unbalanced = linear_cell(rep(c(1, 2, 3, 5, 8, 12), 3), c(1, 0)),
  few = linear_cell(rep(5, 6), c(1, 0)),
  `few, unbalanced` = linear_cell(c(2, 3, 4, 6, 8, 12), c(1, 0)),
  boundary = linear_cell(rep(5, 18), c(0, 0)),
  slopes = linear_cell(rep(6, 12), c(1, 0.5), y ~ x + f + (x | g)),
  `slopes left out` = linear_cell(rep(6, 18), c(1, 0.5)),
  binomial = binomial_cell(rep(8, 18), c(1, 0))
)

# Data set i: x varies within groups, f has three levels, each of a third of the groups. Neither has
# an effect.
data_set <- function(cell, i) {
  set.seed(i)
  m <- length(cell$sizes)
  g <- rep(seq_len(m), cell$sizes)
  d <- data.frame(
    g = factor(g),
    x = rnorm(length(g)),
    f = factor(letters[(g - 1) %% 3 + 1])
  )
  effects <- cbind(rnorm(m, 0, cell$sd[1]), rnorm(m, 0, cell$sd[2]))
  d$y <- cell$draw(effects[g, 1] + effects[g, 2] * d$x)
  d
}

# Methods -------------------------------------------------------------------

# Each method is a function of a fit and a seed that returns a table: what it is about, whether the
# interval holds the truth or the test rejects, and the interval's width.

interval_rows <- function(limits, truth) {
  limits <- limits[rownames(limits) %in% c("x", "fb", ".sig01"), , drop = FALSE]
  of <- sub(".sig01", "sd", rownames(limits), fixed = TRUE)
  truth <- truth[of]
  data.frame(
    kind = "interval",
    of = of,
    holds = limits[, 1] <= truth & truth <= limits[, 2],
    width = limits[, 2] - limits[, 1]
  )
}

test_row <- function(p, of = "f") {
  data.frame(kind = "test", of = of, holds = p < 0.05, width = NA)
}

# Intervals of x and fb, and the test of f. The true values are zero, so that an interval holds the
# truth where its test doesn't reject.
from_tests <- function(fit, ...) {
  L <- list(x = c(x = 1), fb = c(fb = 1), f = diag(4)[3:4, ])
  found <- contest(fit, L, ...)
  single <- found[1:2, ]
  error <- abs(fixef(fit)[c("x", "fb")]) / sqrt(single[["F value"]])
  intervals <- data.frame(
    kind = "interval",
    of = c("x", "fb"),
    holds = single[["Pr(>F)"]] >= 0.05,
    width = 2 * qt(0.975, single$DenDF) * error
  )
  rbind(intervals, test_row(found[3, "Pr(>F)"]))
}

profiled <- c("x", "fb", ".sig01")

methods <- function(cell) {
  truth <- c(x = 0, fb = 0, sd = cell$sd[1])
  by_tests <- \(...) \(fit, seed) from_tests(fit, ...)
  common <- list(
    Wald = \(fit, seed) {
      rbind(
        interval_rows(confint(fit, ".sig01", method = "Wald"), truth),
        from_tests(fit, ddf = "asymptotic")
      )
    },
    profile = \(fit, seed) {
      interval_rows(confint(fit, profiled, method = "profile"), truth)
    },
    bootstrap = \(fit, seed) {
      interval_rows(confint(bootstrap(fit, 400, seed = seed)), truth)
    },
    LRT = \(fit, seed) {
      test_row(anova(fit, test = "LRT")["f", "Pr(>Chisq)"])
    }
  )
  linear <- list(
    Satterthwaite = by_tests(ddf = "Satterthwaite"),
    `Kenward-Roger` = by_tests(ddf = "Kenward-Roger"),
    `between-within` = by_tests(ddf = "between-within"),
    CR2 = by_tests(vcov = "CR2")
  )
  generalized <- list(CR1 = by_tests(vcov = "CR1"))
  variance <- list(
    `chi-squared` = \(fit, seed) test_row(ranova(fit)[2, "Pr(>Chisq)"], "sd"),
    mixture = \(fit, seed) test_row(ranova(fit)[2, "Pr(>mixture)"], "sd"),
    RLRT = \(fit, seed) {
      found <- ranova(fit, method = "RLRT", nsim = 500, seed = seed)
      test_row(found[2, "Pr(>RLRT)"], "sd")
    }
  )
  c(
    common,
    if (cell$linear) linear else generalized,
    if (cell$sd[1] == 0) variance
  )
}

# One data set ----------------------------------------------------------------

# The value of a call that may fail; `NULL` then.
attempt <- function(expr) {
  tryCatch(suppressWarnings(suppressMessages(expr)), error = \(cnd) NULL)
}

one_data_set <- function(cell, i) {
  fit <- attempt(cell$fit(data_set(cell, i)))
  if (is.null(fit)) {
    return(NULL)
  }
  tables <- lapply(methods(cell), \(method) attempt(method(fit, i)))
  tables <- Filter(Negate(is.null), tables)
  names <- rep(names(tables), vapply(tables, nrow, 1L))
  data.frame(method = names, do.call(rbind, tables), row.names = NULL)
}

# Cells -----------------------------------------------------------------------

cell_table <- function(name, n) {
  cell <- cells[[name]]
  rows <- do.call(rbind, lapply(seq_len(n), \(i) one_data_set(cell, i)))
  key <- rows[c("kind", "of", "method")]
  groups <- split(rows, key, drop = TRUE)
  has_any <- vapply(groups, \(rows) !all(is.na(rows$holds)), NA)
  summary <- lapply(groups[has_any], \(rows) {
    known <- !is.na(rows$holds)
    data.frame(
      cell = name,
      rows[1, c("kind", "of", "method")],
      n = sum(known),
      percent = round(100 * mean(rows$holds[known]), 1),
      width = signif(median(rows$width[known]), 3)
    )
  })
  table <- do.call(rbind, summary)
  order <- order(
    table$kind,
    table$of,
    match(table$method, names(methods(cell)))
  )
  table[order, ]
}

file <- "bench/coverage.csv"

save_cell <- function(table) {
  known <- if (file.exists(file)) read.csv(file)
  known <- known[known$cell != table$cell[1], ]
  all <- rbind(known, table)
  all <- all[order(match(all$cell, names(cells))), ]
  write.csv(all, file, row.names = FALSE, na = "")
  invisible(file.copy(file, "vignettes/coverage.csv", overwrite = TRUE))
}

arguments <- commandArgs(trailingOnly = TRUE)
is_number <- grepl("^[0-9]+$", arguments)
n <- if (any(is_number)) as.integer(arguments[is_number][1]) else 1000L
wanted <- setdiff(arguments, arguments[is_number])
wanted <- if (length(wanted)) {
  match.arg(wanted, names(cells), TRUE)
} else {
  names(cells)
}
options(rlmm.threads = 1)
for (name in wanted) {
  time <- system.time(table <- cell_table(name, n))
  save_cell(table)
  cat(sprintf("%s: %.0f s\n", name, time[["elapsed"]]))
  print(table[-1], row.names = FALSE)
}
