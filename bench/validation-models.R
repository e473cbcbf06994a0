# The models of bench/validation.R: a list of list(id, source, formula, data, family, reml, nagq),
# `data` a function that makes the data. `family` is the name of one of `families` there.

# The registry of the tests ---------------------------------------------------

# Rows that the peers take in no more than about a second.
most_rows <- 1000

# Models of one data set, spread over all that its columns allow.
most_models <- 2

registry_models <- function() {
  linear <- Filter(\(model) !model$large, lmm_models)
  c(
    Map(from_registry, names(linear), linear, "registry, linear"),
    Map(
      from_registry,
      names(glmm_models),
      glmm_models,
      "registry, generalized"
    )
  )
}

from_registry <- function(name, model, source) {
  args <- model$args
  list(
    id = name,
    source = source,
    formula = model$formula,
    lme4 = model$lme4,
    data = \() glmm_frame(model),
    family = if (is.null(args$family)) "linear" else eval(args$family),
    args = args[setdiff(names(args), "family")]
  )
}

# Data sets of packages -------------------------------------------------------

mixed_model_packages <- c(
  "nlme",
  "lme4",
  "mlmRev",
  "lmerTest",
  "glmmTMB",
  "MASS",
  "pbkrtest",
  "afex",
  "emmeans",
  "doBy",
  "ordinal",
  "mitml",
  "sjstats",
  "insight",
  "merTools",
  "clubSandwich",
  "boot",
  "lattice",
  "datasets",
  "survival",
  "multcomp",
  "TH.data",
  "geepack",
  "pan",
  "jomo",
  "gap.datasets",
  "effects",
  "carData",
  "survey"
)

data_set_models <- function() {
  packages <- Filter(
    \(package) nzchar(system.file(package = package)),
    mixed_model_packages
  )
  unlist(lapply(packages, package_models), recursive = FALSE)
}

package_models <- function(package) {
  found <- utils::data(package = package)$results
  items <- sub(" .*", "", found[, "Item"])
  sets <- lapply(items, \(item) {
    tryCatch(set_models(package, item), error = \(e) NULL)
  })
  unlist(sets, recursive = FALSE)
}

load_set <- function(package, item) {
  env <- new.env()
  suppressWarnings(utils::data(list = item, package = package, envir = env))
  data <- env[[item]]
  if (!is.data.frame(data) || nrow(data) < 12) {
    return(NULL)
  }
  plain <- as.data.frame(unclass(data)[names(data)], optional = TRUE)
  names(plain) <- make.names(names(plain))
  plain <- stats::na.omit(plain)
  plain[seq_len(min(nrow(plain), most_rows)), , drop = FALSE]
}

# The models of one data set: for its first groupings and responses, with the first covariates.
set_models <- function(package, item) {
  data <- load_set(package, item)
  if (is.null(data)) {
    return(NULL)
  }
  groups <- names(Filter(is_grouping, data))
  groups <- groups[seq_len(min(2, length(groups)))]
  responses <- setdiff(names(Filter(is_response, data)), groups)
  responses <- responses[seq_len(min(2, length(responses)))]
  made <- lapply(responses, \(y) response_models(data, y, groups))
  made <- spread(unlist(made, recursive = FALSE), most_models)
  named <- paste0(package, "::", item)
  lapply(seq_along(made), \(i) {
    c(
      made[[i]],
      list(
        id = paste(named, i),
        source = "data sets of packages",
        data = \() load_set(package, item)
      )
    )
  })
}

spread <- function(x, n) x[unique(round(seq(1, length(x), length.out = n)))]

# Levels that repeat: at least three of them, with two rows or more on average.
is_grouping <- function(x) {
  n <- length(unique(x))
  is_label <- is.factor(x) || is.character(x)
  (is_label || is.integer(x)) && n >= 4 && length(x) / n >= 2 && n >= 4
}

is_response <- function(x) {
  if (is.factor(x)) {
    return(nlevels(x) == 2)
  }
  is.numeric(x) && length(unique(x)) >= 2 && all(is.finite(x))
}

is_binary <- function(x) is.factor(x) || all(x %in% c(0, 1))

is_count <- function(x) all(x >= 0 & x == round(x)) && max(x) < 1e4

response_models <- function(data, y, groups) {
  # A response that is constant within groups has no model with finite variances.
  groups <- Filter(\(g) is_varying(data[[y]], data[[g]]), groups)
  covariates <- setdiff(names(Filter(is_covariate, data)), c(y, groups))
  covariates <- covariates[seq_len(min(2, length(covariates)))]
  parts <- unlist(
    lapply(groups, \(g) group_formulas(data, y, g, covariates)),
    recursive = FALSE
  )
  if (length(groups) == 2) {
    both <- sprintf("(1 | %s)", groups)
    parts <- c(parts, list(c(covariates[0], both)))
  }
  formulas <- lapply(unique(parts), stats::reformulate, response = y)
  unlist(lapply(formulas, with_families, y = data[[y]]), recursive = FALSE)
}

is_covariate <- function(x) {
  if (is.factor(x) || is.character(x)) {
    return(length(unique(x)) %in% 2:6)
  }
  is.numeric(x) && length(unique(x)) >= 3 && stats::sd(x) > 0
}

is_varying <- function(y, group) {
  mean(tapply(y, group, \(v) length(unique(v)) > 1), na.rm = TRUE) > 0.3
}

# Right sides for one grouping: intercepts, with covariates, with slopes.
group_formulas <- function(data, y, group, covariates) {
  intercept <- sprintf("(1 | %s)", group)
  out <- list(intercept)
  for (x in covariates) {
    out <- c(out, list(c(x, intercept)))
    if (varies_within(data[[x]], data[[group]])) {
      slopes <- sprintf(c("(%s | %s)", "(%s || %s)"), x, group)
      out <- c(out, lapply(slopes, \(slope) c(x, slope)))
    }
  }
  if (length(covariates) == 2) {
    out <- c(out, list(c(paste(covariates, collapse = " * "), intercept)))
  }
  out
}

varies_within <- function(x, group) {
  values <- tapply(x, group, \(v) length(unique(v)))
  is.numeric(x) && stats::median(values, na.rm = TRUE) >= 3
}

# The families that a response allows.
with_families <- function(formula, y) {
  families <- if (is_binary(y)) {
    c("logit", "probit")
  } else if (is_count(y) && max(y) < 200) {
    c("linear", "poisson", "nbinom2")
  } else if (all(y > 0)) {
    c("linear", "linear, ML", "gamma, ML")
  } else {
    c("linear", "linear, ML")
  }
  lapply(families, \(family) list(formula = formula, family = family))
}

# Simulated -------------------------------------------------------------------

simulated_models <- function(n = 384) {
  unlist(lapply(seq_len(n), simulated_model), recursive = FALSE)
}

simulated_formulas <- list(
  y ~ x + (1 | g),
  y ~ x + (x | g),
  y ~ x + (x || g),
  y ~ x + f + (1 | g) + (1 | h),
  y ~ x + (x | g) + (1 | h),
  y ~ x * f + (1 | g),
  y ~ x + z + (x + z | g),
  y ~ 1 + (1 | h / g)
)

simulated_families <- c(
  "linear",
  "linear, ML",
  "logit",
  "probit",
  "cloglog",
  "poisson",
  "sqrt",
  "gamma",
  "gamma, ML",
  "nbinom2",
  "nbinom1",
  "gaussian, log"
)

# Every family with every formula; small and large groups, variances that are large, small, or zero.
simulated_model <- function(i) {
  family <- simulated_families[[1 + i %% length(simulated_families)]]
  k <- 1 + (i %/% length(simulated_families)) %% length(simulated_formulas)
  list(list(
    id = paste("simulated", i),
    source = "simulated",
    formula = simulated_formulas[[k]],
    family = family,
    data = \() simulated_data(i, family)
  ))
}

simulated_data <- function(seed, family) {
  set.seed(seed)
  # lme4 iterates for the dispersion at each step, which takes it long.
  kinds <- if (family %in% c("gamma", "gaussian, log")) 2 else 4
  sizes <- list(c(6, 5), c(12, 4), c(20, 10), c(40, 8))[[1 + seed %% kinds]]
  n <- prod(sizes)
  d <- data.frame(
    g = gl(sizes[1], sizes[2]),
    h = factor(sample(max(3, sizes[1] %/% 3), n, TRUE)),
    f = factor(sample(c("a", "b"), n, TRUE)),
    x = stats::rnorm(n),
    z = stats::rnorm(n)
  )
  spread <- c(0, 0.05, 0.3, 0.8)[[1 + (seed %/% 4) %% 4]]
  of_g <- \() stats::rnorm(sizes[1], sd = spread)[d$g]
  eta <- 0.3 * d$x + 0.2 * (d$f == "b") + of_g() + of_g() * d$x
  eta <- eta + stats::rnorm(nlevels(d$h), sd = spread / 2)[d$h]
  d$y <- simulated_response(eta, family)
  d
}

simulated_response <- function(eta, family) {
  n <- length(eta)
  mu <- exp(0.7 + pmin(eta, 5))
  switch(
    family,
    logit = stats::rbinom(n, 1, stats::plogis(eta)),
    probit = stats::rbinom(n, 1, stats::pnorm(eta)),
    cloglog = stats::rbinom(n, 1, -expm1(-exp(pmin(eta, 3) - 0.5))),
    poisson = stats::rpois(n, mu),
    sqrt = stats::rpois(n, (2.5 + eta)^2),
    gamma = ,
    "gamma, ML" = stats::rgamma(n, 3, 3 / mu),
    nbinom2 = ,
    nbinom1 = stats::rnbinom(n, size = 2, mu = mu),
    "gaussian, log" = pmax(mu + stats::rnorm(n, sd = 0.3), 0.05),
    eta + stats::rnorm(n)
  )
}
