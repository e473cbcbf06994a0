# Fits of glmmTMB (1.1 or later) with the family nbinom1, for tests/testthat/test-families.R:
# log-likelihood, estimates and standard errors. Run from the package's root.

library(glmmTMB)
stopifnot(packageVersion("glmmTMB") >= "1.1")
for (name in c("grouseticks", "cbpp")) {
  load(file.path("data", paste0(name, ".rda")))
}
grouseticks$height <- (grouseticks$HEIGHT - 460) / 100

# As in the test.
set.seed(11)
simulated <- data.frame(g = gl(15, 12), x = round(rnorm(180), 3))
slopes <- matrix(rnorm(30, sd = 0.4), 2)
mean_of <- exp(
  1.5 + slopes[1, simulated$g] + (0.4 + slopes[2, simulated$g]) * simulated$x
)
simulated$y <- rnbinom(180, size = mean_of / 1.2, mu = mean_of)

models <- list(
  list("grouseticks", "TICKS ~ YEAR + (1 | BROOD)", "log"),
  list(
    "grouseticks",
    "TICKS ~ YEAR + height + (1 | BROOD) + (1 | LOCATION)",
    "log"
  ),
  list("cbpp", "incidence ~ period + offset(log(size)) + (1 | herd)", "log"),
  list("simulated", "y ~ x + (1 + x | g)", "log"),
  list("simulated", "y ~ x + (1 | g)", "sqrt")
)

digits <- function(x, n = 12) {
  paste(format(as.numeric(x), digits = n, trim = TRUE), collapse = " ")
}

# Lambda's lower triangle, column by column, as theta of rlmm.
theta_of <- function(fit) {
  unlist(lapply(VarCorr(fit)$cond, \(omega) {
    lower <- t(chol(matrix(omega, nrow(omega))))
    lower[lower.tri(lower, diag = TRUE)]
  }))
}

fit_one <- function(model) {
  fit <- glmmTMB(
    stats::as.formula(model[[2]]),
    get(model[[1]]),
    family = nbinom1(model[[3]])
  )
  errors <- sqrt(diag(vcov(fit, full = TRUE)))
  is_beta <- seq_along(fixef(fit)$cond)
  data.frame(
    glmmTMB = as.character(packageVersion("glmmTMB")),
    data = model[[1]],
    formula = model[[2]],
    link = model[[3]],
    log_lik = digits(logLik(fit), 15),
    beta = digits(fixef(fit)$cond, 15),
    theta = digits(theta_of(fit), 15),
    phi = digits(sigma(fit), 15),
    se_beta = digits(errors[is_beta], 8),
    se_log_phi = digits(errors[length(is_beta) + 1L], 8)
  )
}

utils::write.csv(
  do.call(rbind, lapply(models, fit_one)),
  "tests/reference/nbinom1.csv",
  row.names = FALSE
)
