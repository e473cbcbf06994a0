# lmList(): separate fits for each group.

#' Separate fits for each group
#'
#' `lmList()` fits a linear model, or with a `family` a generalized linear model, to the data of
#' each group, like the functions of this name in lme4 and nlme. The formula is the same, and data
#' of nlme's class `groupedData` without a formula are passed on to nlme.
#'
#' The residual standard deviation is pooled over the groups unless `pool = FALSE`: standard errors,
#' limits and tests then have the degrees of freedom of all groups together. (lme4's `confint()`
#' always uses those of each group; here this is `confint(fits, pool = FALSE)`.) Limits are Wald
#' limits, also for generalized models.
#'
#' A group whose fit fails has missing coefficients, with a warning.
#' @param formula A formula `y ~ x | g`, or `y ~ (x | g)`.
#' @param data A data frame with the variables.
#' @param family For generalized models, a family as for [glm()].
#' @param subset,weights,offset,na.action As in [lm()].
#' @param pool Whether to pool the residual standard deviation, by default if there is one.
#' @param object,x The result of `lmList()`.
#' @param parm The names or numbers of coefficients.
#' @param level The confidence level.
#' @param newdata The data to predict for; by default the data of the fit.
#' @param digits,order,... For printing and plotting: `order` is the number of the coefficient by
#'   which groups are ordered (0 for the order of the levels); further arguments are passed to
#'   lattice.
#' @return A list of class `"rlmm_lmList"` of objects of class `"lm"` or `"glm"`, named by group,
#'   with methods of `coef()` (a data frame with a row for each group), `fixef()` (the means of
#'   these), `ranef()` (the deviations from them), `confint()` (an array of groups by limits by
#'   coefficients), `summary()`, `sigma()` (pooled), `fitted()`, `residuals()`, `predict()`,
#'   `logLik()`, `formula()` and `plot()`, which draws the limits of each group.
#' @seealso [plot_shrinkage()] compares such fits with a mixed model.
#' @examples
#' fits <- lmList(Reaction ~ Days | Subject, sleepstudy)
#' fits
#' head(coef(fits))
#' sigma(fits)
#' confint(fits)[1:3, , "Days"]
#' @export
lmList <- function(
  formula,
  data,
  family = NULL,
  subset,
  weights,
  na.action,
  offset,
  pool = NULL,
  ...
) {
  refuse_dots(...)
  check_flag(pool %||% TRUE, "pool")
  call <- match.call()
  env <- parent.frame()
  if (!missing(formula) && inherits(force_formula(formula), "groupedData")) {
    return(eval(nlme_list_call(call), env))
  }
  if (!missing(data)) {
    check_in_memory(data, list_instead)
  }
  if (missing(data)) {
    data <- env
  }
  given <- if (missing(formula)) NULL else formula
  parts <- group_formula(in_own_environment(given, call, data))
  extras <- given_expressions(c("subset", "weights", "offset"), call)
  na_action <- if (missing(na.action)) default_na_action(data) else na.action
  frame <- group_frame(parts, data, extras, na_action)
  family <- if (!is.null(family)) read_glm_family(family)
  group <- frame_group(frame, parts$group)
  has_sigma <- is.null(family) || !family$family %in% c("binomial", "poisson")
  structure(
    group_fits(frame, group, parts, family),
    class = "rlmm_lmList",
    call = call,
    formula = parts$formula,
    model = parts$model,
    group = group,
    rows = row.names(frame),
    na_action = attr(frame, "na.action"),
    pool = pool %||% has_sigma
  )
}

list_instead <- "A mixed model of it is fitted where it is, by `rlmm()`."

nlme_list_call <- function(call) {
  call[[1L]] <- getExportedValue("nlme", "lmList")
  names(call)[names(call) == "formula"] <- "object"
  call
}

# The model frame of all groups.
group_frame <- function(parts, data, extras, na_action) {
  check_list_variables(parts, data)
  variables <- list(
    response = parts$formula[[2L]],
    fixed = parts$variables,
    bars = list()
  )
  env <- environment(parts$formula)
  build_frame(variables, env, data, extras, na_action)
}

# The grouping factor of a frame; `a:b` is the interaction.
frame_group <- function(frame, expr) {
  if (call_name(expr) != ":") {
    return(as.factor(frame[[deparse_one(expr)]]))
  }
  as_factor <- \(name) as.factor(frame[[name]])
  atoms <- lapply(all.vars(expr), as_factor)
  interaction(atoms, drop = TRUE, sep = ":", lex.order = TRUE)
}

# Raises an error about variables that are neither columns nor objects.
check_list_variables <- function(parts, data) {
  names <- setdiff(all.vars(parts$formula), c(names(data), "."))
  is_known <- vapply(names, exists, NA, envir = environment(parts$formula))
  if (all(is_known)) {
    return(invisible())
  }
  name <- names[!is_known][1L]
  abort_rlmm(
    c(
      paste0("Can't find the variable ", tick(name), " in `data`."),
      did_you_mean(name, names(data))
    ),
    "rlmm_error_variable"
  )
}

#' The parts of `y ~ x | g`, which may stand in parentheses as in a mixed model
#' @noRd
group_formula <- function(formula) {
  check_group_formula(formula)
  right <- strip_parens(formula[[3L]])
  env <- environment(formula)
  model <- formula
  model[[3L]] <- right[[2L]]
  list(
    formula = formula,
    model = stats::as.formula(model, env),
    variables = call("+", right[[2L]], right[[3L]]),
    group = right[[3L]]
  )
}

check_group_formula <- function(formula) {
  is_formula <- inherits(formula, "formula")
  right <- if (is_formula && length(formula) == 3L) strip_parens(formula[[3L]])
  if (call_name(right) != "|") {
    written <- if (is_formula) paste0("`", short_deparse(formula), "`")
    abort_argument(
      "`formula` must be of the form `y ~ x | g`.",
      x = if (is_formula) paste0("It is ", written, ".") else it_is(formula),
      arg = "formula"
    )
  }
  if (call_name(right[[3L]]) == "/") {
    abort_nested_groups(right[[3L]])
  }
}

abort_nested_groups <- function(groups) {
  abort_argument(
    "`formula` must have one grouping factor.",
    x = sprintf("It has `%s`.", deparse_one(groups)),
    i = "`a:b` groups by the levels of both.",
    arg = "formula"
  )
}

read_glm_family <- function(family) {
  found <- if (is.character(family) && length(family) == 1L) {
    get0(family, mode = "function", envir = asNamespace("stats"))
  }
  family <- found %||% family
  family <- family_of(family)
  if (!inherits(family, "family")) {
    abort_argument(
      "`family` must be a family of `glm()`.",
      x = it_is(family),
      i = "For example `family = binomial`.",
      arg = "family"
    )
  }
  family
}

#' A fit for each group, `NULL` if it fails
#' @noRd
group_fits <- function(frame, group, parts, family) {
  terms <- stats::terms(parts$model, data = frame)
  attr(terms, "predvars") <- kept_predvars(frame, terms)
  one <- \(rows) {
    part <- frame[rows, , drop = FALSE]
    attr(part, "terms") <- terms
    tryCatch(fit_group(part, terms, family), error = identity)
  }
  rows_of_groups <- split(seq_len(nrow(frame)), group)
  without_failed(lapply(rows_of_groups, one))
}

# Drops the groups whose fit failed. If all of them failed there is nothing to return.
without_failed <- function(fits) {
  failed <- vapply(fits, inherits, NA, what = "error")
  if (all(failed)) {
    abort_failed_groups(fits)
  }
  if (any(failed)) {
    warn_failed_groups(fits[failed])
    fits[failed] <- list(NULL)
  }
  fits
}

# The `predvars` with the knots and coefficients from the data of all groups.
kept_predvars <- function(frame, terms) {
  all <- attr(attr(frame, "terms"), "predvars")
  names <- variable_names(attr(frame, "terms"))
  all[c(1L, match(variable_names(terms), names) + 1L)]
}

#' An object of class "lm" or "glm" from a model frame
#' @noRd
fit_group <- function(frame, terms, family) {
  x <- stats::model.matrix(terms, frame)
  fit <- if (is.null(family)) {
    group_lm(x, frame)
  } else {
    group_glm(x, frame, family)
  }
  class <- c(if (!is.null(family)) "glm", "lm")
  fit$call <- call(class[1L], terms_formula(terms))
  fit$terms <- terms
  fit$model <- frame
  fit$xlevels <- stats::.getXlevels(terms, frame)
  fit$contrasts <- attr(x, "contrasts")
  structure(fit, class = class)
}

group_lm <- function(x, frame) {
  y <- frame[[1L]]
  offset <- stats::model.offset(frame)
  weights <- frame[["(weights)"]]
  if (is.null(weights)) {
    return(stats::lm.fit(x, y, offset))
  }
  stats::lm.wfit(x, y, weights, offset)
}

group_glm <- function(x, frame, family) {
  y <- frame[[1L]]
  offset <- stats::model.offset(frame)
  weights <- frame[["(weights)"]] %||% rep(1, nrow(x))
  stats::glm.fit(
    x,
    y,
    weights,
    offset = offset,
    family = family
  )
}

terms_formula <- function(terms) stats::formula(terms)

abort_failed_groups <- function(errors) {
  abort_rlmm(
    c(
      sprintf("The fits of all %s failed.", plural(length(errors), "group")),
      x = paste0(
        in_quotes(names(errors)[1L]),
        ": ",
        conditionMessage(errors[[1L]])
      )
    ),
    "rlmm_error_lmlist",
    groups = names(errors)
  )
}

warn_failed_groups <- function(errors) {
  texts <- vapply(errors, conditionMessage, "")
  warn_rlmm(
    c(
      sprintf("The fits of %s failed.", plural(length(errors), "group")),
      x = paste0(enumerate(in_quotes(names(errors))), ": ", texts[[1L]])
    ),
    "rlmm_warning_lmlist",
    groups = names(errors)
  )
}
