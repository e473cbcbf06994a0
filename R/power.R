#' Power by simulation
#'
#' Simulates responses from a model, refits the model to each of them, tests a hypothesis, and
#' counts how often it is rejected: the power of a study with this design, or with more groups or
#' rows, under assumed parameters.
#'
#' Responses are simulated from the model at its estimates, or at `newparams`, with new random
#' effects. The model is fitted to all of them in parallel threads, and tested with Satterthwaite's
#' degrees of freedom (linear models) or by z tests (generalized ones). Joint tests of several
#' coefficients of a generalized model and functions of a fit need sequential refits. Failed fits
#' are not counted.
#'
#' The power at the estimates of a fit ("observed power") contains no more information than its
#' p-value: set an effect of interest by `newparams`.
#'
#' @param object A fitted model; or a one-sided formula, with `newdata`, `newparams` and `family` as
#'   in [simulate_formula()].
#' @param test The hypothesis:
#'   * names of fixed effects or of terms of the fixed part: Wald tests, jointly for the
#'     coefficients of a
#'     term; by default each coefficient except the intercept;
#'   * a formula such as `. ~ . - Days`, as for [update()]: the likelihood-ratio test against this
#'     smaller model (by maximum likelihood with a chi-squared distribution, which is conservative
#'     for variances);
#'   * a vector or matrix of contrasts, as in [contest()];
#'   * a function of a fit that returns p-values.
#' @param nsim The number of simulated responses.
#' @param extend The designs to simulate: `list(g = c(10, 20, 40))` for these numbers of levels of
#'   the grouping factor `g`, or `list(rows = c(100, 200))` for these numbers of rows, in turn (a
#'   power curve). Levels are copied with their rows and the levels nested in them; fewer levels are
#'   a subset. Factors of the fixed part that are constant within levels, such as treatments, keep
#'   their proportions. Fewer rows are the first ones of each group.
#' @param newparams The parameters to simulate with, as in [simulate()][simulate.rlmm]; `beta` may
#'   be named, and then the other fixed effects keep their estimates.
#' @param alpha The significance level.
#' @param level The confidence level of the exact (Clopper-Pearson) limits of the power.
#' @param ddf The method for degrees of freedom of Wald tests: `"satterthwaite"` (the default for
#'   linear models), `"kenward-roger"` or `"asymptotic"`, which is the fastest.
#' @param seed `NULL`, or a seed for [set.seed()].
#' @param newdata,family,data For a formula, see [simulate_formula()].
#' @param ... Not used.
#' @return A data frame of class `"rlmm_power"` with a row for each design and test and the columns
#'   `test`, the number of levels under the name of their factor, `nobs`, `nsim` (without failures),
#'   `rejected`, `power`, `lwr` and `upr`, and with the attributes `alpha`, `level` and `p_values`,
#'   a matrix with a column for each row. `plot()` draws a power curve.
#' @seealso [simulate_formula()]
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' # The power to detect an effect of 5 ms per day, for several numbers of subjects
#' power <- simulate_power(
#'   fit,
#'   "Days",
#'   nsim = 100,
#'   newparams = list(beta = c(Days = 5)),
#'   extend = list(Subject = c(10, 18, 30)),
#'   seed = 1
#' )
#' power
#' if (requireNamespace("lattice", quietly = TRUE)) plot(power)
#'
#' # A planned study without data
#' plan <- expand.grid(time = 0:3, id = factor(1:10))
#' simulate_power(
#'   ~ time + (1 | id),
#'   "time",
#'   nsim = 100,
#'   newdata = plan,
#'   newparams = list(beta = c(0, 0.3), theta = 0.5, sigma = 1),
#'   seed = 1
#' )
#' @export
simulate_power <- function(object, ...) UseMethod("simulate_power")

#' @export
simulate_power.default <- function(object, ...) {
  abort_argument(
    "`object` must be a fit of `rlmm()` or `rglmm()`, or a formula.",
    x = it_is(object),
    i = nonlinear_hint(object),
    arg = "object"
  )
}

#' @rdname simulate_power
#' @export
simulate_power.rlmm <- function(
  object,
  test = NULL,
  nsim = 1000,
  extend = NULL,
  alpha = 0.05,
  level = 0.95,
  ddf = NULL,
  seed = NULL,
  ...,
  newparams = NULL
) {
  refuse_dots(...)
  nsim <- check_replicates(nsim, "nsim")
  check_seed(seed)
  check_confidence(level)
  check_alpha(alpha)
  object <- with_all_rows(object)
  extend <- check_extend(extend, object)
  object <- with_parameters(object, newparams)
  test <- read_test(test, object, choose_ddf(object, ddf))
  one <- \(n) {
    power_at(object, test, nsim, extend$along, n, alpha, level)
  }
  tables <- with_seed(seed, \(start) lapply(extend$n %||% NA, one))
  structure(
    do.call(rbind, lapply(tables, `[[`, "table")),
    class = c("rlmm_power", "data.frame"),
    p_values = do.call(cbind, lapply(tables, `[[`, "p_values")),
    along = extend$along,
    alpha = alpha,
    level = level
  )
}

#' @rdname simulate_power
#' @export
simulate_power.formula <- function(
  object,
  test = NULL,
  nsim = 1000,
  family = "gaussian",
  data = NULL,
  ...,
  newdata = data,
  newparams = NULL
) {
  env <- parent.frame()
  given <- list(weights = NULL, offset = NULL)
  model <- unfitted_model(object, newdata, newparams, family, given, NULL, env)
  fit <- fit_unfitted(model)
  parameters <- newparams[names(newparams) != "shape"]
  parameters$beta <- unname(model$beta)
  parameters$theta <- model$theta
  parameters$sigma <- model$sigma
  simulate_power.rlmm(
    fit,
    test,
    nsim,
    newparams = parameters,
    ...
  )
}

#' Fits a model that is given by its parameters to responses simulated from it
#' @noRd
fit_unfitted <- function(model) {
  state <- start_generator(NULL)
  on.exit(restore_generator(state$before))
  set.seed(1)
  data <- model$frame
  data[[dummy_response]] <- simulate.rlmm(model)$sim_1
  model$frame <- data
  data <- as_fitted_data(data, attr(data, "terms"), NULL)
  control <- unchecked_control()
  suppressMessages(suppressWarnings(
    if (is.null(model$family)) {
      rlmm(model$formula, data, control = control)
    } else {
      rglmm(model$formula, data, model$family, control)
    }
  ))
}

#' The table of one design
#' @noRd
power_at <- function(fit, test, nsim, along, n, alpha, level) {
  if (!is.na(n)) {
    fit <- extended_fit(fit, along, n)
    test$reduced <- if (!is.null(test$reduced)) {
      extended_fit(test$reduced, along, n)
    }
  }
  p_values <- test$p_values(fit, simulate.rlmm(fit, nsim), test)
  done <- colSums(!is.na(p_values))
  warn_untested(
    colnames(p_values)[done == 0],
    fit,
    along,
    n
  )
  table <- power_table(p_values, nrow(fit$frame), alpha, level)
  if (!is.na(n)) {
    table <- with_size(table, along, n)
  }
  row.names(table) <- NULL
  list(table = table, p_values = p_values)
}

power_table <- function(p_values, nobs, alpha, level) {
  done <- colSums(!is.na(p_values))
  rejected <- colSums(p_values < alpha, na.rm = TRUE)
  data.frame(
    test = colnames(p_values),
    nobs = nobs,
    nsim = done,
    rejected = rejected,
    power = ifelse(done == 0, NA_real_, rejected / done),
    exact_limits(rejected, done, level)
  )
}

# Adds the size of the design as the second column.
with_size <- function(table, along, n) {
  size <- stats::setNames(list(rep(n, nrow(table))), along)
  as_table(append(table, size, 1L), seq_along(table$test))
}

# Warns about tests that no fit has.
warn_untested <- function(tests, fit, along, n) {
  if (length(tests) == 0L) {
    return(invisible())
  }
  x <- fixed_matrix(fit)
  warn_rlmm(
    c(
      paste0("There is no power of ", enumerate(in_quotes(tests)), ": `NA`."),
      x = if (qr(x)$rank < ncol(x)) {
        "The fixed effects can't all be estimated in this design."
      } else {
        "No fit came to its end."
      },
      i = if (!is.na(n)) paste0("It has ", n, " ", describe_along(along), ".")
    ),
    "rlmm_warning_power"
  )
}

describe_along <- function(along) {
  if (along == "rows") "rows" else paste("levels of", tick(along))
}

#' The Clopper-Pearson limits of a proportion
#' @noRd
exact_limits <- function(x, n, level) {
  tail <- (1 - level) / 2
  none <- ifelse(n == 0, NA, 1)
  least <- stats::qbeta(tail, x, n - x + 1)
  largest <- stats::qbeta(1 - tail, x + 1, n - x)
  data.frame(
    lwr = none * ifelse(x == 0, 0, least),
    upr = none * ifelse(x == n, 1, largest)
  )
}

# Parameters ------------------------------------------------------------------

#' The fit with other parameters in place of its estimates
#' @noRd
with_parameters <- function(fit, newparams) {
  if (is.null(newparams)) {
    return(fit)
  }
  beta <- newparams$beta
  if (is.list(newparams) && !is.null(names(beta))) {
    newparams$beta <- completed_beta(beta, fit$beta)
  }
  par <- model_parameters(fit, newparams)
  fit$beta[] <- par$beta
  fit[c("theta", "sigma")] <- par[c("theta", "sigma")]
  fit
}

completed_beta <- function(given, estimates) {
  unknown <- setdiff(names(given), names(estimates))
  if (length(unknown) > 0L) {
    abort_newparams(paste0(
      "The model has no fixed effect ",
      enumerate(in_quotes(unknown), last = "or"),
      "."
    ))
  }
  estimates[names(given)] <- given
  unname(estimates)
}

check_alpha <- function(alpha) {
  if (is_number(alpha) && alpha > 0 && alpha < 1) {
    return(invisible())
  }
  abort_argument(
    "`alpha` must be one number between 0 and 1.",
    x = it_is(alpha),
    arg = "alpha"
  )
}

# Output ----------------------------------------------------------------------

#' @export
print.rlmm_power <- function(x, digits = 3L, ...) {
  warn_of_dots(...)
  cat(sprintf(
    "Power at alpha = %s, with exact %s%% limits\n",
    format(attr(x, "alpha") %||% 0.05),
    format(100 * (attr(x, "level") %||% 0.95))
  ))
  print(
    unclass_power(x),
    digits = digits,
    row.names = FALSE
  )
  invisible(x)
}

unclass_power <- function(x) as_table(as.list(x), seq_len(nrow(x)))

#' @rdname simulate_power
#' @param x The result of `simulate_power()`.
#' @export
plot.rlmm_power <- function(x, ...) {
  need_package("lattice", "plot(simulate_power(fit))")
  data <- power_curve(x)
  defaults <- list(
    x = power ~ size | test,
    data = data,
    lower = data$lwr,
    upper = data$upr,
    target = c(attr(x, "alpha"), 0.8),
    panel = power_panel,
    ylim = c(-0.04, 1.04),
    xlab = power_axis(x),
    ylab = "Power",
    strip = grey_strip(),
    as.table = TRUE
  )
  draw_with(lattice::xyplot, defaults, ...)
}

#' The points of a power curve, and its x axis
#' @noRd
power_curve <- function(x) {
  along <- attr(x, "along")
  if (is.null(along)) {
    abort_rlmm(
      c(
        "There is no power curve to draw.",
        i = "Use `simulate_power(extend = )` with several numbers of groups?"
      ),
      "rlmm_error_argument"
    )
  }
  data.frame(
    size = x[[along]],
    power = x$power,
    lwr = x$lwr,
    upr = x$upr,
    test = factor(x$test, unique(x$test))
  )
}

power_axis <- function(x) {
  along <- attr(x, "along")
  if (along == "rows") "Rows" else paste("Levels of", along)
}

# Draws the power with its limits, and lines at alpha and at a power of 0.8.
power_panel <- function(x, y, lower, upper, target, subscripts, ...) {
  lattice::panel.grid(h = -1, v = -1)
  lattice::panel.abline(
    h = target,
    col = plot_grey,
    lty = 2L
  )
  lattice::panel.segments(
    x,
    lower[subscripts],
    x,
    upper[subscripts],
    col = plot_blue
  )
  order <- order(x)
  lattice::panel.lines(
    x[order],
    y[order],
    col = plot_blue
  )
  lattice::panel.points(
    x,
    y,
    pch = 16L,
    col = plot_blue
  )
}
