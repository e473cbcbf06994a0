# How often the intervals of predict() hold what they are for: simulated data, 20 groups, nominal
# 95%.
#
#   Rscript bench/coverage-predictions.R [simulations]
#
# For each data set: the mean of the population at a covariate, the mean of a known group, a new
# observation of a known group, and one of a new group. README.md has the figures.

library(rlmm)

# One data set of a model, with its truth.
draw_groups <- function(n_groups, slope_sd) {
  cbind(rnorm(n_groups, 0, 1), rnorm(n_groups, 0, slope_sd))
}

linear_predictor <- function(x, effects) {
  1 + 0.5 * x + effects[, 1] + effects[, 2] * x
}

design <- function(n_groups, n_each) {
  data.frame(
    x = rep(seq(-1, 1, length.out = n_each), n_groups),
    g = factor(rep(seq_len(n_groups), each = n_each))
  )
}

linear <- list(
  label = "linear, (x | g)",
  slope_sd = 0.5,
  draw = \(eta) eta + rnorm(length(eta)),
  fit = \(d) rlmm(y ~ x + (x | g), d),
  type = "response"
)

counts <- list(
  label = "Poisson, (1 | g)",
  slope_sd = 0,
  draw = \(eta) rpois(length(eta), exp(eta)),
  fit = \(d) rglmm(y ~ x + (1 | g), d, family = poisson),
  type = "response"
)

holds <- function(limits, truth) {
  unname(limits[, "lwr"] <= truth & truth <= limits[, "upr"])
}

# Whether each interval holds its truth, in one data set.
one_data_set <- function(model, n_groups = 20, n_each = 6, ...) {
  d <- design(n_groups, n_each)
  effects <- draw_groups(n_groups, model$slope_sd)
  d$y <- model$draw(linear_predictor(d$x, effects[d$g, ]))
  fit <- suppressMessages(model$fit(d))
  new <- data.frame(x = 0.7, g = factor(c(1, 2), levels(d$g)))
  of_known <- linear_predictor(new$x, effects[1:2, ])
  of_unknown <- linear_predictor(0.7, draw_groups(1, model$slope_sd))
  limits <- \(...) predict(fit, ..., type = model$type)
  confidence <- \(...) predict(fit, ..., type = "link", interval = "confidence")
  c(
    population_mean = holds(confidence(new[1, ], re.form = NA, ...), 1.35),
    group_mean = mean(holds(confidence(new, ...), of_known)),
    known_group = mean(holds(
      limits(new, interval = "prediction", ...),
      model$draw(of_known)
    )),
    new_group = holds(
      limits(new[1, ], re.form = NA, interval = "prediction", ...),
      model$draw(of_unknown)
    )
  )
}

coverage <- function(model, n, ...) {
  set.seed(1)
  found <- vapply(seq_len(n), \(i) one_data_set(model, ...), double(4))
  round(rowMeans(found), 4)
}

arguments <- commandArgs(trailingOnly = TRUE)
n <- if (length(arguments) > 0) as.integer(arguments[1]) else 4000L
rows <- list(
  "linear" = coverage(linear, n),
  "linear, ddf = \"asymptotic\"" = coverage(linear, n, ddf = "asymptotic"),
  "linear, theta known" = coverage(linear, n, theta_uncertainty = FALSE),
  "Poisson" = coverage(counts, n),
  "Poisson, theta known" = coverage(counts, n, theta_uncertainty = FALSE)
)
cat(sprintf("%s data sets of 20 groups of 6; nominal 0.95\n", n))
print(do.call(rbind, rows))
