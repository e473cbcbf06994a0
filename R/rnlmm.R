#' Fit a nonlinear mixed model
#'
#' Nonlinear mean functions with random effects on their parameters, by maximum likelihood, in
#' lme4's notation for `nlmer()`.
#'
#' @details
#' The formula has three parts, `y ~ f(x, a, b) ~ a | group`: the response; the mean, any expression
#' of variables and parameters; and the random effects of the parameters. These have the notation of
#' [rlmm()], without an intercept: `(a + b | group)` correlated, `(a || group)`, `diag(a + b |
#' group)`, several terms, several grouping factors. The third part may name fixed effects, too,
#' such as `a + b + a:treatment + (a | group)`; without any, each parameter has one.
#'
#' A gradient that the mean has as its attribute, such as those of R's self-starting functions
#' (`SSlogis()`, ...) and of [deriv()], is used; of other means it is found by differences, which
#' `nlmer()` doesn't do. `start` may be left out where a self-starting function finds it.
#'
#' The likelihood is that of the Laplace approximation, as lme4's: the modes of the random effects
#' are those of the penalized sum of squares, by Gauss-Newton steps, and sigma is profiled out. With
#' `nAGQ = 0` the fixed effects are found together with the modes, which is faster and less exact.
#' Standard errors, those of predictions too, are those of the linearized model at the estimates.
#' Profiles are of the Laplace approximation, so that limits by profile
#' (`confint(method = "profile")`) say what it does of standard deviations and correlations too;
#' nlmer's fits have none.
#'
#' @param formula The three-part formula.
#' @param data A data frame.
#' @param start Named start values of the parameters, a vector or list, or a list with the element
#'   `nlpars`; fixed effects other than those of the parameters themselves start from zero, unless
#'   named here.
#' @param nAGQ 1 for the Laplace approximation, 0 for the fast one.
#' @param max_eval The largest number of evaluations of the objective in each stage.
#' @param verbose With 1 the course of the optimization is printed.
#' @param subset,weights,na.action As in [lm()].
#' @param object,x A fit.
#' @param newdata Data to predict or to simulate for.
#' @param re.form `NULL` to include the random effects, `NA` to leave them out (in `simulate()`: to
#'   draw them); new levels have effects of zero.
#' @param se.fit Return standard errors too?
#' @param interval Limits of the mean (`"confidence"`), or of a new observation (`"prediction"`).
#' @param nsim,seed Number of simulated responses, and `NULL` or a seed for [set.seed()].
#' @param use.u Hold the random effects at their modes, as `re.form = NULL` does?
#' @param type The type of residuals.
#' @param parm,level Parameters (numbers, names, `"theta_"`, `"beta_"`) and confidence level.
#' @param method Limits from standard errors, of the fixed effects alone, or by profile.
#' @param fitted A fit.
#' @param which,alphamax,maxpts,delta.cutoff,signames As of [profile()][profile.rlmm].
#' @param condVar Attach conditional variances?
#' @param digits Significant digits.
#' @param ... Not used.
#' @return A list of class `"rlmm_nlmm"`. It answers `fixef()`, `ranef()`, `coef()`, `VarCorr()`,
#'   `sigma()`, `vcov()`, `confint()`, `profile()`, `logLik()` (and so `AIC()` and `BIC()`),
#'   `deviance()`, `fitted()`, `residuals()`, `predict()`, `simulate()`, `nobs()`, `formula()`,
#'   `model.frame()`, `update()`, `ngrps()`, `isNLMM()`, `summary()` and `plot()`. `predict()` has a
#'   vector, with `interval` a matrix, with `se.fit` a list, as [predict.lm()].
#' @references Lindstrom, M. J. and Bates, D. M. (1990). Nonlinear mixed effects models for repeated
#'   measures data. *Biometrics*, 46, 673-687.
#' @examples
#' fit <- rnlmm(
#'   circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree,
#'   Orange
#' )
#' fit
#' predict(fit, data.frame(age = c(500, 1000), Tree = "3"), interval = "prediction")
#' head(simulate(fit, 2, seed = 1))
#' confint(fit, "xmid", method = "profile")
#' # A mean of one's own
#' rnlmm(
#'   circumference ~ Asym / (1 + exp((xmid - age) / scal)) ~ Asym | Tree,
#'   Orange,
#'   start = c(Asym = 200, xmid = 700, scal = 350)
#' )
#' @export
rnlmm <- function(
  formula,
  data,
  start = NULL,
  nAGQ = 1L,
  max_eval = 2000L,
  verbose = 0L,
  subset,
  weights,
  na.action,
  ...
) {
  refuse_dots(...)
  call <- match.call()
  check_nonlinear_nagq(nAGQ)
  check_verbose(verbose)
  if (missing(data) || !is.data.frame(data)) {
    abort_argument(
      "`data` must be a data frame.",
      x = if (missing(data)) "It is missing." else it_is(data),
      arg = "data"
    )
  }
  parts <- nonlinear_parts(if (missing(formula)) NULL else formula)
  start <- nonlinear_start(parts, start, data)
  asked <- match(c("subset", "weights", "na.action"), names(call), 0L)
  model <- nonlinear_design(parts, start, data, as.list(call)[asked])
  problem <- nonlinear_problem(parts, model)
  begin <- start_of_columns(start, model$design$fixed$names)
  est <- search_nonlinear(problem, begin, nAGQ == 0, max_eval, verbose)
  fit <- new_nonlinear_fit(formula, parts, model, problem, est, call, nAGQ)
  report_nonlinear(fit)
  fit
}

check_nonlinear_nagq <- function(nAGQ) {
  if (is_number(nAGQ) && nAGQ %in% 0:1) {
    return(invisible())
  }
  abort_argument(
    "`nAGQ` must be 0 or 1 for a nonlinear model.",
    x = it_is(nAGQ),
    arg = "nAGQ"
  )
}

start_of_columns <- function(start, names) {
  begin <- stats::setNames(numeric(length(names)), names)
  known <- intersect(names, names(start))
  begin[known] <- start[known]
  begin
}

new_nonlinear_fit <- function(formula, parts, model, problem, est, call, nAGQ) {
  design <- model$design
  random <- with_scales(design$random, NULL)
  names <- design$fixed$names
  beta <- stats::setNames(est$beta, names)
  lambda <- lambda_blocks(random, est$theta)
  u <- split_modes(est$u, random)
  b <- Map(
    \(u, factor, term) named_modes(u %*% t(factor), term),
    u,
    lambda,
    random
  )
  structure(
    list(
      call = call,
      formula = formula,
      parts = parts,
      parameters = model$parameters,
      frame = model$frame,
      stacked = design$frame,
      fixed = design$fixed,
      random = random,
      theta = est$theta,
      beta = beta,
      sigma = est$sigma,
      u = Map(named_modes, u, random),
      b = b,
      rx = est$rx,
      cond_var = nonlinear_cond_var(est, lambda, random),
      weights = if (!is.null(model$frame[["(weights)"]])) model$weights,
      fitted = est$fitted,
      dev = list(
        objective = est$objective,
        log_det_re = est$log_det,
        pwrss = est$pwrss,
        n_eff = problem$n
      ),
      optimum = est[c("converged", "message", "evaluations")],
      na_action = attr(model$frame, "na.action"),
      nAGQ = nAGQ,
      relative = TRUE,
      known_sigma = FALSE,
      control = default_control
    ),
    class = "rlmm_nlmm"
  )
}

#' The long vector of spherical effects as a matrix (levels, columns) for each term
#' @noRd
split_modes <- function(u, random) {
  sizes <- vapply(
    random,
    \(term) length(term$levels) * length(term$columns),
    1L
  )
  parts <- split(u, rep(seq_along(random), sizes))
  Map(
    \(part, term) matrix(part, ncol = length(term$columns), byrow = TRUE),
    unname(parts),
    random
  )
}

named_modes <- function(values, term) {
  dimnames(values) <- list(term$levels, term$columns)
  values
}

#' The conditional covariances Lambda K^-1 Lambda' of the levels, not scaled
#' @noRd
nonlinear_cond_var <- function(est, lambda, random) {
  sizes <- vapply(
    random,
    \(term) length(term$levels) * length(term$columns),
    1L
  )
  starts <- cumsum(sizes) - sizes
  Map(
    function(start, factor, term) {
      k <- length(term$columns)
      one <- \(level) {
        at <- start + (level - 1L) * k + seq_len(k)
        unit <- matrix(0, length(est$u), k)
        unit[cbind(at, seq_len(k))] <- 1
        inverse <- est$solve(unit)[at, , drop = FALSE]
        factor %*% inverse %*% t(factor)
      }
      blocks <- vapply(seq_along(term$levels), one, matrix(0, k, k))
      array(
        blocks,
        c(k, k, length(term$levels)),
        list(term$columns, term$columns, term$levels)
      )
    },
    starts,
    lambda,
    random
  )
}

report_nonlinear <- function(fit) {
  if (!fit$optimum$converged) {
    warn_rlmm(
      c(
        "The optimizer stopped before converging.",
        x = paste0("It says: ", fit$optimum$message, "."),
        i = "Try another `start`, or a larger `max_eval`."
      ),
      "rlmm_warning_convergence"
    )
  }
  singular <- is_singular(linear_shell(fit))
  if (any(singular$singular)) {
    inform_rlmm(
      c(
        singular_header(sum(singular$singular)),
        stats::setNames(
          singular_lines(singular),
          rep("i", sum(singular$singular))
        )
      ),
      "rlmm_message_singular"
    )
  }
}

#' The fit as one of a linear model with its variances, for methods that look at these alone
#' @noRd
linear_shell <- function(fit) {
  class(fit) <- c("rlmm_lmm", "rlmm")
  fit$reml <- FALSE
  fit
}

# Estimates -----------------------------------------------------------------

#' @rdname rnlmm
#' @export
fixef.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  object$beta
}

#' @rdname rnlmm
#' @export
ranef.rlmm_nlmm <- function(object, condVar = TRUE, ...) {
  refuse_dots(...)
  check_flag(condVar, "condVar")
  shell <- linear_shell(object)
  groups <- unique(term_groups(shell))
  tables <- mode_tables(shell, groups, object$b)
  if (condVar) {
    variances <- lapply(object$cond_var, \(array) object$sigma^2 * array)
    for (group in groups) {
      own <- term_groups(shell) == group
      table <- tables[[group]]
      tables[[group]] <- attach_variances(
        table,
        variances[own],
        object$random[own]
      )
    }
  }
  structure(tables, class = c("ranef.rlmm", "ranef.mer"))
}

#' @rdname rnlmm
#' @export
coef.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  modes <- unclass(ranef.rlmm_nlmm(object, condVar = FALSE))
  tables <- lapply(modes, \(table) {
    out <- as.data.frame(
      matrix(
        object$beta,
        nrow(table),
        length(object$beta),
        byrow = TRUE,
        dimnames = list(rownames(table), names(object$beta))
      ),
      optional = TRUE
    )
    shared <- intersect(names(table), names(out))
    out[shared] <- out[shared] + table[shared]
    other <- setdiff(names(table), names(out))
    out[other] <- table[other]
    out
  })
  structure(tables, class = c("coef.rlmm", "coef.mer"))
}

#' @rdname rnlmm
#' @export
VarCorr.rlmm_nlmm <- function(x, ...) {
  refuse_dots(...)
  VarCorr.rlmm(linear_shell(x))
}

#' @rdname rnlmm
#' @export
sigma.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  object$sigma
}

#' @rdname rnlmm
#' @export
vcov.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  names <- names(object$beta)
  out <- object$sigma^2 * chol2inv(object$rx)
  dimnames(out) <- list(names, names)
  out
}

#' @rdname rnlmm
#' @export
logLik.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  structure(
    -object$dev$objective / 2,
    df = length(object$theta) + length(object$beta) + 1L,
    nobs = object$dev$n_eff,
    class = "logLik"
  )
}

#' @rdname rnlmm
#' @export
deviance.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  object$dev$objective
}

#' @export
nobs.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  as.integer(object$dev$n_eff)
}

#' @export
df.residual.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  nobs.rlmm_nlmm(object) - attr(logLik.rlmm_nlmm(object), "df")
}

#' @export
family.rlmm_nlmm <- function(object, ...) stats::gaussian()

#' @export
#' @rawNamespace S3method(lme4::ngrps, rlmm_nlmm)
ngrps.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  ngrps.rlmm(linear_shell(object))
}

#' @export
#' @rawNamespace S3method(lme4::isNLMM, rlmm_nlmm)
isNLMM.rlmm_nlmm <- function(x, ...) TRUE

#' @export
#' @rawNamespace S3method(lme4::isLMM, rlmm_nlmm)
isLMM.rlmm_nlmm <- function(x, ...) FALSE

#' @export
#' @rawNamespace S3method(lme4::isGLMM, rlmm_nlmm)
isGLMM.rlmm_nlmm <- function(x, ...) FALSE

#' @export
#' @rawNamespace S3method(lme4::isREML, rlmm_nlmm)
isREML.rlmm_nlmm <- function(x, ...) FALSE

# Data ----------------------------------------------------------------------

#' @rdname rnlmm
#' @export
formula.rlmm_nlmm <- function(x, ...) {
  refuse_dots(...)
  x$formula
}

#' @export
model.frame.rlmm_nlmm <- function(formula, ...) formula$frame

#' @rdname rnlmm
#' @export
fitted.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  values <- stats::setNames(object$fitted, row.names(object$frame))
  stats::napredict(object$na_action, values)
}

#' @rdname rnlmm
#' @export
residuals.rlmm_nlmm <- function(
  object,
  type = c("response", "pearson", "scaled"),
  ...
) {
  refuse_dots(...)
  type <- one_of(type, c("response", "pearson", "scaled"), "type")
  r <- as.double(object$frame[[1L]]) - object$fitted
  if (type != "response") {
    r <- sqrt(object$weights %||% 1) * r
  }
  if (type == "scaled") {
    r <- r / object$sigma
  }
  stats::naresid(
    object$na_action,
    stats::setNames(r, row.names(object$frame))
  )
}

# Printing ------------------------------------------------------------------

#' @rdname rnlmm
#' @export
format.rlmm_nlmm <- function(
  x,
  digits = max(3, getOption("digits") - 3),
  ...
) {
  warn_of_dots(...)
  loglik <- logLik.rlmm_nlmm(x)
  estimates <- c(
    AIC = stats::AIC(loglik),
    BIC = stats::BIC(loglik),
    logLik = as.double(loglik)
  )
  c(
    nonlinear_title(x),
    formula_lines(x$formula),
    argument_lines(x$call),
    paste(
      names(estimates),
      format(estimates, digits = digits + 3),
      collapse = "  "
    ),
    "",
    format_random_effects(
      VarCorr.rlmm_nlmm(x),
      nobs.rlmm_nlmm(x),
      ngrps.rlmm_nlmm(x),
      digits,
      c("Variance", "Std.Dev."),
      TRUE
    ),
    "",
    "Fixed effects:",
    utils::capture.output(print(nonlinear_table(x), digits = digits))
  )
}

nonlinear_title <- function(x) {
  kind <- if (x$nAGQ == 0) "nAGQ = 0" else "Laplace approximation"
  sprintf("Nonlinear mixed model fit by maximum likelihood (%s)", kind)
}

nonlinear_table <- function(x) {
  errors <- sqrt(diag(vcov.rlmm_nlmm(x)))
  cbind(
    Estimate = x$beta,
    `Std. Error` = errors,
    `z value` = x$beta / errors
  )
}

#' @rdname rnlmm
#' @export
print.rlmm_nlmm <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}

#' @rdname rnlmm
#' @export
summary.rlmm_nlmm <- function(object, ...) {
  refuse_dots(...)
  structure(
    list(
      fit = object,
      coefficients = nonlinear_table(object),
      residuals = residuals.rlmm_nlmm(object, "scaled"),
      sigma = object$sigma,
      vcov = vcov.rlmm_nlmm(object),
      varcor = VarCorr.rlmm_nlmm(object)
    ),
    class = "summary.rlmm_nlmm"
  )
}

#' @export
print.summary.rlmm_nlmm <- function(x, ...) {
  lines <- format.rlmm_nlmm(x$fit, ...)
  random <- match("Random effects:", lines)
  quantiles <- stats::quantile(x$residuals, na.rm = TRUE, names = FALSE)
  names(quantiles) <- c("Min", "1Q", "Median", "3Q", "Max")
  shown <- utils::capture.output(print(quantiles, digits = 4))
  writeLines(append(lines, c("Scaled residuals:", shown, ""), random - 1L))
  invisible(x)
}

#' @rdname rnlmm
#' @export
plot.rlmm_nlmm <- function(x, ...) {
  refuse_dots(...)
  need_package("lattice", "plot()")
  r <- residuals.rlmm_nlmm(x, "scaled")
  fitted <- fitted.rlmm_nlmm(x)
  cloud(fitted, r, "Fitted values", "Scaled residuals", line = 0)
}

#' @export
coef.summary.rlmm_nlmm <- function(object, ...) object$coefficients
