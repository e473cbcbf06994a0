# The random models of tools/fuzz.R: linear or generalized, with factors that are crossed, nested,
# chained or fixed effects too, unbalanced, with levels of one row or none; one to three effects per
# term in every covariance structure; covariates on scales from 1e-8 to 1e8, some far from zero;
# weights, offsets, rank deficiency, a known sigma, held parameters.

pick <- function(...) sample(c(...), 1L)
chance <- function(p) stats::runif(1) < p

# Data ------------------------------------------------------------------------

random_factor <- function(n, levels, unbalanced) {
  prob <- if (unbalanced) stats::rexp(levels)^2 + 1e-3 else rep(1, levels)
  unused <- if (chance(0.1)) levels + 1L
  factor(
    sample.int(levels, n, replace = TRUE, prob = prob),
    levels = c(seq_len(levels), unused)
  )
}

random_covariate <- function(n) {
  scale <- if (chance(0.3)) 10^stats::runif(1, -8, 8) else 1
  origin <- if (chance(0.3)) 10^stats::runif(1, 0, 6) else 0
  scale * (origin + stats::rnorm(n))
}

random_groups <- function(n) {
  unbalanced <- chance(0.3)
  g <- random_factor(n, pick(2, 3, 5, 8, 15, 30), unbalanced)
  h <- switch(
    pick("crossed", "nested", "chain", "coarser", "same"),
    crossed = random_factor(n, pick(3, 6, 12), unbalanced),
    nested = interaction(g, random_factor(n, 3, unbalanced), drop = TRUE),
    chain = factor((as.integer(g) + sample(0:1, n, TRUE)) %% nlevels(g)),
    coarser = factor(as.integer(g) %/% 3),
    same = factor(as.integer(g))
  )
  list(g = g, h = factor(as.integer(h)))
}

random_data <- function() {
  n <- pick(20, 40, 60, 120, 250)
  groups <- random_groups(n)
  data <- data.frame(
    x = random_covariate(n),
    z = random_covariate(n),
    f = factor(sample(c("a", "b", "c"), n, TRUE), levels = c("a", "b", "c")),
    g = groups$g,
    h = groups$h
  )
  data$w <- if (chance(0.25)) exp(stats::rnorm(n, sd = pick(0.5, 2))) else 1
  if (chance(0.1)) {
    data$w[sample.int(n, 3)] <- pick(0, 1e-6)
  }
  data$o <- if (chance(0.2)) stats::rnorm(n) else 0
  data
}

standardized <- function(x) as.vector(scale(x))

# A linear predictor with random variances, some of them zero.
random_predictor <- function(data) {
  sd <- function() pick(0, 0, 0.1, 0.5, 1, 3)
  effects <- function(group, sd) stats::rnorm(nlevels(group), sd = sd)[group]
  x <- standardized(data$x)
  fixed <- stats::rnorm(1) * x + stats::rnorm(3)[data$f]
  fixed +
    effects(data$g, sd()) +
    effects(data$g, sd()) * x +
    effects(data$h, sd())
}

# Models ----------------------------------------------------------------------

fixed_parts <- c("1", "x", "f", "x * f", "x + z", "x + I(2 * x)", "g", "f + h")

linear_terms <- c(
  "(1 | g)",
  "(x | g)",
  "(x || g)",
  "(0 + x | g)",
  "(z + x | g)",
  "(f | g)",
  "cs(0 + f | g)",
  "cs(0 + f | g, hom = TRUE)",
  "ar1(0 + f | g)",
  "ar1(0 + f | g, hom = FALSE)",
  "diag(0 + f | g)",
  "diag(0 + f | g, hom = TRUE)",
  "(1 | g) + (1 | h)",
  "(x | g) + (1 | h)",
  "(1 | g / h)",
  "(x | g) + (0 + z | h)"
)

random_formula <- function(response) {
  stats::as.formula(
    paste(response, "~", pick(fixed_parts), "+", pick(linear_terms)),
    env = globalenv()
  )
}

random_linear <- function(data) {
  noise <- pick(1, 1, 1, 1e-3)
  units <- if (chance(0.2)) 10^stats::runif(1, -8, 8) else 1
  error <- stats::rnorm(nrow(data)) / sqrt(pmax(data$w, 1e-6))
  data$y <- units * (random_predictor(data) + noise * error + data$o)
  data$o <- units * data$o
  list(
    data = data,
    formula = random_formula("y"),
    kind = "linear",
    units = units,
    arguments = list(
      REML = chance(0.5),
      weights = quote(w),
      offset = quote(o),
      sigma = if (chance(0.1)) units
    )
  )
}

families <- list(
  quote(binomial("logit")),
  quote(binomial("probit")),
  quote(binomial("cloglog")),
  quote(poisson("log")),
  quote(poisson("sqrt")),
  quote(Gamma("log")),
  quote(inverse.gaussian("log")),
  quote(gaussian("log"))
)

random_response <- function(family, eta) {
  n <- length(eta)
  eta <- pmin(pmax(eta, -3), 3)
  mean <- if (family$family == "binomial") {
    family$linkinv(eta)
  } else {
    exp(eta / 2)
  }
  switch(
    family$family,
    binomial = stats::rbinom(n, 1, mean),
    poisson = stats::rpois(n, mean),
    Gamma = stats::rgamma(n, 3, 3 / mean),
    inverse.gaussian = mean * stats::rgamma(n, 5, 5),
    gaussian = mean + stats::rnorm(n, sd = 0.2)
  )
}

random_generalized <- function(data) {
  family <- families[[sample.int(length(families), 1L)]]
  data$y <- random_response(eval(family), random_predictor(data) / 2)
  data$o <- 0
  list(
    data = data,
    formula = random_formula("y"),
    kind = "generalized",
    units = 1,
    arguments = list(family = family, nAGQ = pick(1, 1, 1, 0))
  )
}

random_model <- function(seed) {
  set.seed(seed)
  data <- random_data()
  if (chance(0.75)) random_linear(data) else random_generalized(data)
}
