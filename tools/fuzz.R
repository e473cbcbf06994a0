# Fits random models and checks each of them: `Rscript tools/fuzz.R 300 [seed]`, with rlmm installed
# and the package's root as working directory. The seed is that of the first model, the next ones
# follow; without one it is that of the week. Prints a table of what was checked and every defect
# with its seed. Ends with status 1 at any defect of a linear model; or if a generalized one fails
# without a reason, isn't finite or depends on the units of the response; or if more than 1 % of
# these end above another optimizer, or depend on the order of rows or levels or on the origin of a
# covariate: what is known of these stands in bench/README.md.
# `Rscript tools/fuzz.R 1 SEED` repeats one model. With a file as a third argument a line for each
# model is added to it; `Rscript tools/fuzz.R table FILE` prints what such a file says, as in
# bench/README.md.
#
# A model is linear or generalized, with factors that are crossed, nested, chained or fixed effects
# too, unbalanced, with levels of one row or none; one to three effects per term in every covariance
# structure; covariates on scales from 1e-8 to 1e8, some far from zero; weights, offsets, rank
# deficiency, a known sigma, held parameters.

suppressPackageStartupMessages(library(rlmm))
options(rlmm.progress = FALSE)

# Differences of a criterion that don't matter, and those that rounding explains.
negligible <- 1e-6
rounding <- 1e-9

`%||%` <- function(x, y) if (is.null(x)) y else x

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

# Fits ------------------------------------------------------------------------

# How many there were.
fits <- new.env()
fits$count <- 0L

#' A fit with its conditions and the processor's seconds; `fit` is the error if it fails
#' @noRd
fit_model <- function(model, ...) {
  fits$count <- fits$count + 1L
  arguments <- utils::modifyList(model$arguments, list(...))
  fun <- if (model$kind == "linear") quote(rlmm) else quote(rglmm)
  told <- character()
  keep <- function(condition) {
    told <<- c(told, class(condition)[1L])
    tryInvokeRestart("muffleWarning")
    tryInvokeRestart("muffleMessage")
  }
  call <- as.call(c(
    list(fun, model$formula, quote(model$data)),
    Filter(Negate(is.null), arguments)
  ))
  seconds <- system.time(
    fit <- withCallingHandlers(
      tryCatch(eval(call), error = identity),
      warning = keep,
      message = keep
    ),
    gcFirst = FALSE
  )[["user.self"]]
  list(fit = fit, told = told, seconds = seconds)
}

criterion <- function(fit) {
  if (inherits(fit, "rlmm")) -2 * as.numeric(stats::logLik(fit)) else NA_real_
}

verdict_of <- function(fit) {
  fit$optsum$certificate$verdict %||%
    tryCatch(certificate(fit)$verdict, error = \(e) "none")
}

# Whether a fit says itself that its criterion has no single minimum, or is a rounding error.
is_ambiguous <- function(found) {
  verdict_of(found$fit) %in%
    c("unbounded", "unidentified", "rounded") ||
    length(found$fit$separated) > 0L ||
    length(found$fit$saturated) > 0L ||
    "rlmm_warning_exact_fit" %in% found$told
}

# Whether a fit says itself that it isn't at an optimum.
has_warned <- function(found) "rlmm_warning_convergence" %in% found$told

# Rounding error of the criterion: relative to it, and more where covariances are large beside the
# residual variance. Ten times what the core takes it for (`Geometry::rounding`), as two searches
# end in different places of a flat valley.
noise_of <- function(fit) {
  value <- abs(criterion(fit))
  scales <- vapply(
    fit$random,
    \(term) max(abs(rlmm:::lambda_block(term, fit$theta)) * term$scale, 1),
    0
  )
  negligible +
    rounding * value +
    10 * .Machine$double.eps * (1 + value) * max(scales)^2
}

# Checks: each returns a text if something is wrong ---------------------------

check_outcome <- function(model, found) {
  if (found$seconds > 20) {
    return(paste("took", round(found$seconds), "s"))
  }
  if (inherits(found$fit, "error") && !inherits(found$fit, "rlmm_error")) {
    return(paste("unclassed:", conditionMessage(found$fit)))
  }
  unclassed <- !grepl("^rlmm_", found$told)
  if (any(unclassed)) paste("unclassed:", found$told[unclassed][1L])
}

check_finite <- function(model, found) {
  numbers <- c(
    criterion(found$fit),
    fixef(found$fit),
    getME(found$fit, "theta"),
    fitted(found$fit),
    unlist(lapply(ranef(found$fit), as.matrix))
  )
  if (!all(is.finite(numbers))) "numbers that aren't finite"
}

check_dense <- function(model, found) {
  fit <- found$fit
  if (model$kind != "linear" || any(model$data$w == 0) || is_ambiguous(found)) {
    return(NULL)
  }
  spec <- rlmm:::fit_spec(fit)
  dense <- tryCatch(
    dense_estimates(spec, getME(fit, "theta"))$objective,
    error = \(e) NA
  )
  # Dense algebra has the larger rounding errors: those of the marginal covariance matrix.
  gap <- abs(dense - fit$dev$objective)
  if (isTRUE(gap > 1e-3 + 1e4 * noise_of(fit))) {
    paste("dense algebra gives", format(dense, digits = 10))
  }
}

check_optimum <- function(model, found) {
  fit <- found$fit
  n <- length(getME(fit, "theta"))
  starts <- lapply(c(1e-2, 1, 100), \(scale) {
    scale * stats::runif(n, 0.3, 3) * ifelse(getME(fit, "lower") == 0, 1, 0.01)
  })
  held <- rlmm_control(max_eval = 3000)
  others <- c(
    lapply(c("LN_BOBYQA", "LD_LBFGS"), \(optimizer) {
      fit_model(
        model,
        control = rlmm_control(optimizer = optimizer, max_eval = 3000)
      )
    }),
    lapply(starts, \(start) fit_model(model, start = start, control = held))
  )
  best <- min(vapply(others, \(other) criterion(other$fit), 0), na.rm = TRUE)
  gap <- criterion(fit) - best
  is_above <- is.finite(gap) && gap > max(1e-4, noise_of(fit))
  if (is_above && !has_warned(found)) {
    return(paste("another one ends lower by", format(gap, digits = 3)))
  }
  is_alone <- is.finite(gap) && abs(gap) < negligible
  if (has_warned(found) && is_alone) "a false alarm"
}

changed_data <- function(model, ...) {
  model$data <- transform(model$data, ...)
  model
}

compare <- function(model, other, what, shift = 0) {
  again <- fit_model(other)$fit
  gap <- abs(criterion(again) - criterion(model$fit) - shift)
  if (!isTRUE(gap <= 1e-4 + noise_of(model$fit))) {
    paste0(what, ": ", format(gap, digits = 3))
  }
}

check_rows <- function(model, found) {
  model$fit <- found$fit
  other <- model
  other$data <- model$data[sample.int(nrow(model$data)), ]
  compare(model, other, "rows in another order")
}

check_levels <- function(model, found) {
  model$fit <- found$fit
  other <- model
  levels(other$data$g) <- paste0("level", rev(levels(model$data$g)))
  other$data$g <- factor(as.character(other$data$g))
  compare(model, other, "other names of levels")
}

check_origin <- function(model, found) {
  free <- !grepl("||", deparse(model$formula[[3L]]), fixed = TRUE) &&
    !grepl("0 + x", deparse(model$formula[[3L]]), fixed = TRUE)
  has_x <- grepl("x", deparse(model$formula[[3L]]), fixed = TRUE)
  is_fixed <- "x" %in% names(fixef(found$fit))
  if (!free || !has_x || !is_fixed) {
    return(NULL)
  }
  model$fit <- found$fit
  origin <- 10^stats::runif(1, 1, 5) * stats::sd(model$data$x)
  other <- model
  other$data$x <- model$data$x + origin
  compare(model, other, paste("origin", format(origin, digits = 3)))
}

check_units <- function(model, found) {
  if (model$kind != "linear" || !is.null(model$arguments$sigma)) {
    return(NULL)
  }
  model$fit <- found$fit
  other <- changed_data(model, y = 1024 * y, o = 1024 * o)
  df <- found$fit$dev$n_eff
  if (isTRUE(model$arguments$REML)) {
    df <- df - length(fixef(found$fit))
  }
  compare(model, other, "units of the response", 2 * df * log(1024))
}

checks <- list(
  outcome = check_outcome,
  finite = check_finite,
  dense = check_dense,
  optimum = check_optimum,
  rows = check_rows,
  levels = check_levels,
  origin = check_origin,
  units = check_units
)

# Run -------------------------------------------------------------------------

outcome_kind <- function(found) {
  if (!inherits(found$fit, "rlmm")) {
    "an error that says why"
  } else if (is_ambiguous(found)) {
    "says that it has no single optimum"
  } else if (has_warned(found)) {
    "warns that it isn't an optimum"
  } else {
    "an optimum"
  }
}

#' The defects of one model, by check
#' @noRd
try_model <- function(seed) {
  model <- random_model(seed)
  found <- fit_model(model)
  own <- checks["outcome"]
  if (inherits(found$fit, "rlmm")) {
    own <- if (is_ambiguous(found)) {
      checks[c("outcome", "finite", "dense")]
    } else if (has_warned(found)) {
      checks[c("outcome", "finite", "dense", "optimum")]
    } else {
      checks
    }
  }
  defects <- lapply(own, \(check) {
    tryCatch(check(model, found), error = \(e) {
      paste("the check failed:", conditionMessage(e))
    })
  })
  list(
    model = model,
    defects = Filter(Negate(is.null), defects),
    run = names(own),
    kind = outcome_kind(found)
  )
}

describe <- function(model) {
  arguments <- model$arguments[c("REML", "sigma", "family", "nAGQ")]
  arguments <- Filter(Negate(is.null), arguments)
  paste(
    deparse(model$formula),
    paste(names(arguments), lapply(arguments, deparse), collapse = " ")
  )
}

# Whether a check failed that never may, or another one too often: what holds of every linear model,
# and of every generalized one but where its optimum is. Of few observations Laplace's approximation
# has maxima without number, of which no search finds the highest in every case.
is_too_bad <- function(defects, models) {
  never <- defects$kind == "linear" |
    defects$check %in% c("outcome", "finite", "dense", "units")
  others <- length(unique(defects$seed[!never]))
  any(never) || others > max(1, 0.01 * models[["generalized"]])
}

print_defect <- function(seed, name, found) {
  cat(
    "seed ",
    seed,
    " ",
    name,
    ": ",
    found$defects[[name]],
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
  outcome = "a fit, or an error that says why; no condition without a class; within 20 s",
  finite = "all numbers finite",
  dense = "the criterion is that of dense algebra (linear models)",
  optimum = "not more than 1e-4 above BOBYQA, L-BFGS and three random starts; no false alarm",
  rows = "the same with rows in another order",
  levels = "the same with other names of levels",
  origin = "the same with another origin of the covariate",
  units = "the same with another unit of the response"
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
      defects <- rbind(defects, data.frame(kind, check = name, seed))
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
