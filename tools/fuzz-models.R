# The random models of tools/fuzz.R: linear, or generalized of every family and link; factors that
# are crossed, nested, chained, coarser than each other or fixed effects too, unbalanced, with
# levels of one row, of none, and with empty cells; one to four effects per term in every covariance
# structure; covariates on scales from 1e-8 to 1e8, some far from zero; zero and tiny weights,
# offsets, rank deficiency, a known sigma, held parameters.

pick <- function(...) sample(c(...), 1L)
pick_one <- function(list) list[[sample.int(length(list), 1L)]]
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
    pick("crossed", "nested", "chain", "coarser", "same", "rows"),
    crossed = random_factor(n, pick(3, 6, 12), unbalanced),
    nested = interaction(g, random_factor(n, 3, unbalanced), drop = TRUE),
    chain = factor((as.integer(g) + sample(0:1, n, TRUE)) %% nlevels(g)),
    coarser = factor(as.integer(g) %/% 3),
    same = factor(as.integer(g)),
    rows = factor(c(1L, seq_len(n - 1L)))
  )
  list(g = g, h = factor(as.integer(h)))
}

letters_factor <- function(n, levels) {
  factor(sample(letters[seq_len(levels)], n, TRUE), letters[seq_len(levels)])
}

random_weights <- function(n) {
  w <- if (chance(0.25)) exp(stats::rnorm(n, sd = pick(0.5, 2))) else rep(1, n)
  if (chance(0.1)) {
    w[sample.int(n, 3)] <- pick(0, 1e-6)
  }
  w
}

random_data <- function() {
  n <- pick(20, 40, 60, 120, 250)
  groups <- random_groups(n)
  data <- data.frame(
    x = random_covariate(n),
    z = random_covariate(n),
    f = letters_factor(n, 3),
    k = letters_factor(n, 4),
    g = groups$g,
    h = groups$h,
    w = random_weights(n),
    o = if (chance(0.2)) stats::rnorm(n) else 0
  )
  has_empty_cell <- chance(0.1)
  if (has_empty_cell) data[data$f != "b" | data$k != "c", ] else data
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

# Formulas --------------------------------------------------------------------

fixed_parts <- c(
  "1",
  "x",
  "f",
  "x * f",
  "x + z",
  "x * z",
  "x + I(2 * x)",
  "g",
  "f + h",
  "f * k",
  "f + x"
)

# The effects of a term. Those of the levels of one factor may be a series.
one_effect <- c("1", "0 + x")
several_effects <- c("x", "z + x", "f", "f + x", "x * z", "0 + z + x")
series_effects <- c("0 + f", "0 + k")

# The bar of a term, `%s` its effects and its group.
plain_bar <- "(%s | %s)"
several_bars <- c(
  plain_bar,
  plain_bar,
  "(%s || %s)",
  "diag(%s | %s)",
  "diag(%s | %s, hom = TRUE)",
  "cs(%s | %s)",
  "cs(%s | %s, hom = TRUE)"
)
series_bars <- c(
  several_bars,
  "ar1(%s | %s)",
  "ar1(%s | %s, hom = FALSE)",
  "toep(%s | %s)",
  "toep(%s | %s, hom = TRUE)"
)

#' A term: its text, whether it has an intercept of its own variance, and whether its covariances
#' can follow the origin of `x`
#' @noRd
random_term <- function(group) {
  kind <- pick("one", "several", "several", "series")
  effects <- pick(switch(
    kind,
    one = one_effect,
    several = several_effects,
    series = series_effects
  ))
  bar <- pick(switch(
    kind,
    one = plain_bar,
    several = several_bars,
    series = series_bars
  ))
  has_intercept <- !startsWith(effects, "0")
  list(
    text = sprintf(bar, effects, group),
    has_intercept = has_intercept && !grepl("hom = TRUE", bar),
    follows_origin = !grepl("x", effects) || has_intercept && bar == plain_bar
  )
}

random_intercept <- function(group) {
  list(text = sprintf(plain_bar, "1", group), follows_origin = TRUE)
}

random_terms <- function() {
  first <- random_term("g")
  others <- switch(
    pick("none", "none", "intercept", "nested", "slopes", "three"),
    none = NULL,
    intercept = list(random_intercept("h")),
    nested = list(random_intercept("g:h")),
    slopes = list(random_term("h")),
    three = list(random_intercept("h"), random_intercept("f:g"))
  )
  c(list(first), others)
}

text_of_terms <- function(terms) {
  paste(vapply(terms, \(term) term$text, ""), collapse = " + ")
}

#' A formula of response, fixed part and terms, and what of it the checks need
#' @noRd
random_formula <- function(response) {
  fixed <- pick(fixed_parts)
  terms <- random_terms()
  text <- paste(response, "~", fixed, "+", text_of_terms(terms))
  list(
    formula = stats::as.formula(text, env = globalenv()),
    follows_origin = grepl("x", fixed) &&
      all(vapply(terms, \(term) term$follows_origin, NA)),
    is_scalar = length(terms) == 1L && startsWith(terms[[1L]]$text, "(1 |"),
    held = if (terms[[1L]]$has_intercept && chance(0.1)) random_held()
  )
}

random_held <- function() {
  pick_one(list(
    list(theta = c("g.(Intercept)" = pick(0, 0.3, 2))),
    list(beta = c("(Intercept)" = stats::rnorm(1)))
  ))
}

# Models ----------------------------------------------------------------------

random_linear <- function(data) {
  noise <- pick(1, 1, 1, 1e-3)
  units <- if (chance(0.2)) 10^stats::runif(1, -8, 8) else 1
  error <- stats::rnorm(nrow(data)) / sqrt(pmax(data$w, 1e-6))
  data$y <- units * (random_predictor(data) + noise * error + data$o)
  data$o <- units * data$o
  c(
    random_formula("y"),
    list(
      data = data,
      kind = "linear",
      arguments = list(
        REML = chance(0.5),
        weights = quote(w),
        offset = quote(o),
        sigma = if (chance(0.1)) units
      )
    )
  )
}

families <- list(
  quote(binomial("logit")),
  quote(binomial("probit")),
  quote(binomial("cloglog")),
  quote(binomial("cauchit")),
  quote(binomial("log")),
  quote(poisson("log")),
  quote(poisson("sqrt")),
  quote(poisson("identity")),
  quote(nbinom1("log")),
  quote(nbinom2("log")),
  quote(Gamma("log")),
  quote(Gamma("inverse")),
  quote(Gamma("identity")),
  quote(inverse.gaussian("log")),
  quote(inverse.gaussian("1/mu^2")),
  quote(gaussian("log")),
  quote(gaussian("inverse")),
  quote(gaussian("sqrt"))
)

#' Responses around a mean that varies with the linear predictor
#' @noRd
random_response <- function(family, eta) {
  n <- length(eta)
  eta <- pmin(pmax(eta, -3), 3)
  mean <- exp(eta / 2)
  switch(
    family$family,
    binomial = stats::rbinom(n, 1, stats::plogis(eta)),
    poisson = stats::rpois(n, mean),
    Gamma = stats::rgamma(n, 3, 3 / mean),
    inverse.gaussian = mean * stats::rgamma(n, 5, 5),
    gaussian = mean + stats::rnorm(n, sd = 0.2),
    stats::rnbinom(n, 2, mu = 2 * mean)
  )
}

#' Responses in one to five trials
#' @noRd
random_trials <- function(data, eta) {
  trials <- sample.int(5L, nrow(data), TRUE)
  successes <- stats::rbinom(nrow(data), trials, stats::plogis(eta))
  transform(data, y = successes / trials, w = trials)
}

random_generalized <- function(data) {
  family <- pick_one(families)
  eta <- random_predictor(data) / 2
  has_trials <- family[[1L]] == "binomial" && chance(0.3)
  if (has_trials) {
    data <- random_trials(data, eta)
  } else {
    data$y <- random_response(eval(family), eta)
    data$w <- 1
  }
  data$o <- if (family[[2L]] %in% c("log", "logit")) data$o / 2 else 0
  formula <- random_formula("y")
  c(
    formula,
    list(
      data = data,
      kind = "generalized",
      arguments = list(
        family = family,
        weights = if (has_trials) quote(w),
        offset = quote(o),
        nAGQ = if (formula$is_scalar) pick(0, 1, 5, 9) else pick(1, 1, 1, 0)
      )
    )
  )
}

random_model <- function(seed) {
  set.seed(seed)
  data <- random_data()
  if (chance(0.75)) random_linear(data) else random_generalized(data)
}
