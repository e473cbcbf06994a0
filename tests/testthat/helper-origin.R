# Data of covariates that are far from zero, and the criterion to compare fits by.

growth_data <- function(seed) {
  set.seed(seed)
  data <- data.frame(id = rep(1:15, each = 8), n = rep(1:8, 15))
  b <- rnorm(15, sd = 0.5)
  level <- rnorm(15)
  data$y <- 10 + (2 + b[data$id]) * data$n + level[data$id] + rnorm(120)
  data$c <- data$n - 4.5
  eta <- -1 + (0.3 + b[data$id]) * data$c + level[data$id]
  data$z <- rbinom(120, 1, plogis(eta))
  data$k <- rpois(120, exp(eta / 2))
  data
}

criterion_of <- function(...) {
  -2 * as.numeric(logLik(suppressMessages(rlmm(...))))
}
