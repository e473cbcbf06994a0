# Terms with correlation parameters have several optima: how often does the default optimizer, which
# starts from several points, miss the best that any optimizer finds, and how often would it from
# one start? Simulated data with weights, of 2 to 4 correlated effects of which some don't vary.
# Rscript bench/simulated-structures.R [number of fits, 1200]

suppressPackageStartupMessages(library(rlmm))
n_fits <- as.integer(c(commandArgs(trailingOnly = TRUE), "1200")[1])

terms <- c(
  "cs(0 + f | g)",
  "cs(0 + f | g, hom = TRUE)",
  "ar1(0 + f | g, hom = FALSE)",
  "ar1(0 + f | g)",
  "diag(0 + f | g)",
  "diag(1 + x | g)"
)

simulated <- function() {
  k <- sample(2:4, 1)
  data <- expand.grid(r = 1:2, f = factor(seq_len(k)), g = factor(1:12))
  n <- nrow(data)
  data$w <- runif(n, 0.2, 3)
  data$x <- rnorm(n)
  effects <- matrix(rnorm(12 * k), 12) %*% diag(runif(k) * (runif(k) < 0.7), k)
  data$y <- effects[cbind(data$g, data$f)] + rnorm(n) / sqrt(data$w)
  data
}

study_one <- function(i) {
  set.seed(i)
  data <- simulated()
  term <- terms[(i - 1) %% length(terms) + 1]
  reml <- i %% 2 == 0
  fit <- function(...) {
    suppressMessages(rlmm(
      stats::as.formula(paste("y ~ x +", term)),
      data,
      weights = w,
      REML = reml,
      ...
    ))
  }
  warned <- FALSE
  ours <- withCallingHandlers(fit(), warning = \(cnd) warned <<- TRUE)
  # Almost the default start, but given, so that it is the only one.
  start <- ours$optsum$initial + 1e-9
  objective <- \(fit) fit$dev$objective
  others <- suppressWarnings(suppressMessages(allFit(ours)))
  best <- min(as.data.frame(others)$objective, objective(ours), na.rm = TRUE)
  data.frame(
    term = term,
    fits = 1,
    `above best` = objective(ours) > best + 1e-6,
    `one start above best` = objective(fit(start = start)) > best + 1e-6,
    warnings = warned,
    `not optimal` = ours$optsum$certificate$verdict != "optimal",
    evaluations = ours$optsum$feval,
    check.names = FALSE
  )
}

results <- do.call(rbind, lapply(seq_len(n_fits), study_one))
print(stats::aggregate(. ~ term, results, sum), row.names = FALSE)
