#' Parts of a fitted model
#'
#' The components of a fitted model: its data, weights, family and grouping factors. They are taken
#' from the fit without evaluating its call again, so that they are available if the data are gone
#' or the fit was saved in another session.
#'
#' @param object,formula A fitted model.
#' @param fixed.only Whether to return only the variables of the fixed part.
#' @param type For `weights()`: `"prior"`, the prior weights (for the binomial, the numbers of
#'   trials), or `"working"`, the weights of the last PIRLS iteration of a generalized model. For a
#'   linear model both are the same.
#' @param full Whether to include rows of weight zero (`case.names()`) or dropped coefficients
#'   (`variable.names()`).
#' @param form Not used.
#' @param level The grouping factors to return, by name or number; by default all of them.
#' @param data,sep Not used; arguments of the generic.
#' @param ... Not used; any argument here is an error, or for `model.frame()` a warning.
#' @return
#' * `model.frame()`: a data frame of the variables as used in the fit, with text as factors, and
#'   the columns `(weights)` and `(offset)` if there are any.
#' * `weights()`: the prior weights, padded with `NA` under `na.action = na.exclude`.
#' * `family()`: the family object, `gaussian()` for linear models.
#' * `case.names()`: the names of the rows, without those of weight zero unless `full = TRUE`.
#' * `variable.names()`: the names of the fixed effects, with `full = TRUE` also of dropped ones.
#' * `labels()`: the labels of the terms of the fixed part.
#' * `na.action()`: the rows that were left out.
#' * `getData()`: the data frame given as `data`, if it still exists with the values that were
#'   fitted; otherwise the variables of the model frame.
#' * `getGroups()`: the grouping factor, or a data frame of several, with a row for each
#'   observation.
#' * `getResponse()`: the response.
#' @examples
#' fit <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
#' head(model.frame(fit))
#' head(nlme::getGroups(fit))
#' head(nlme::getGroups(fit, level = "sample"))
#' family(fit)
#' @name model-parts
NULL

#' @rdname model-parts
#' @importFrom stats model.frame
#' @export
model.frame.rlmm <- function(formula, ..., fixed.only = FALSE) {
  warn_of_dots(...)
  refuse_test_of_lm(parent.frame())
  check_flag(fixed.only, "fixed.only")
  if (fixed.only) {
    return(with_factors(fixed_frame(formula)))
  }
  frame <- with_factors(fit_frame(formula))
  attr(frame, "terms") <- all_terms(formula)
  frame
}

# As in lme4, text variables become factors, which functions such as mcp() in multcomp require.
with_factors <- function(frame) {
  is_text <- vapply(frame, is.character, NA)
  frame[is_text] <- lapply(frame[is_text], factor)
  frame
}

# Tests of lmtest that would treat the model as one of lm(), without random effects.
tests_of_lm <- c(
  "bgtest",
  "bptest",
  "coxtest",
  "dwtest",
  "encomptest",
  "gqtest",
  "harvtest",
  "hmctest",
  "jtest",
  "raintest",
  "resettest"
)

#' Raises an error if a test that is only valid for lm() asks for the model frame
#' @param caller The frame of the calling function.
#' @noRd
refuse_test_of_lm <- function(caller) {
  asking <- topenv(caller)
  if (!isNamespace(asking) || getNamespaceName(asking) != "lmtest") {
    return(invisible())
  }
  is_caller <- vapply(sys.frames(), identical, NA, caller)
  called <- sys.function(which(is_caller)[1L])
  is_called <- \(name) identical(get0(name, asking), called)
  name <- Find(is_called, tests_of_lm)
  if (!is.null(name)) {
    abort_test_of_lm(name)
  }
}

abort_test_of_lm <- function(name) {
  abort_rlmm(
    c(
      sprintf("`%s()` of lmtest is for models without random effects.", name),
      x = "It would take the fit for one of `lm()`.",
      i = "`diagnose()` checks the residuals of mixed models."
    ),
    "rlmm_error_test_of_lm"
  )
}

#' @rdname model-parts
#' @importFrom stats weights
#' @export
weights.rlmm <- function(object, type = c("prior", "working"), ...) {
  refuse_dots(...)
  refuse_deletion_of_lm(sys.parent())
  weights <- if (one_of(type, c("prior", "working"), "type") == "working") {
    working_weights(object)
  } else {
    object$frame[["(prior)"]] %||%
      fit_response(object)$weights %||%
      rep(1, length(object$fitted))
  }
  stats::naresid(object$na_action, as.double(weights))
}

#' @rdname model-parts
#' @importFrom stats family
#' @export
family.rlmm <- function(object, ...) {
  refuse_dots(...)
  object$family %||% stats::gaussian()
}

#' @rdname model-parts
#' @importFrom stats na.action
#' @export
na.action.rlmm <- function(object, ...) {
  refuse_dots(...)
  object$na_action
}

#' @rdname model-parts
#' @importFrom nlme getResponse
#' @export
getResponse.rlmm <- function(object, form) {
  stats::naresid(object$na_action, row_named(object, model_response(object)))
}

#' @rdname model-parts
#' @importFrom nlme getGroups
#' @export
getGroups.rlmm <- function(object, form, level, data, sep) {
  groups <- grouping_factors(object)
  if (!missing(level)) {
    groups <- groups[check_level(level, names(groups))]
  }
  if (length(groups) == 1) {
    return(structure(groups[[1]], label = names(groups)))
  }
  structure(
    groups,
    class = "data.frame",
    row.names = row.names(object$frame)
  )
}

#' The distinct grouping factors, by name
#' @noRd
grouping_factors <- function(fit) {
  first <- fit$random[!duplicated(term_groups(fit))]
  stored <- new_data(fit, NULL)
  factors <- lapply(first, function(term) {
    structure(
      term_refs(term, stored),
      levels = term$levels,
      class = "factor"
    )
  })
  stats::setNames(factors, vapply(first, `[[`, "", "group"))
}

check_level <- function(level, groups) {
  ok <- if (is.character(level)) {
    level %in% groups
  } else {
    is.numeric(level) && level %in% seq_along(groups)
  }
  if (all(ok)) {
    return(level)
  }
  abort_argument(
    "`level` must be a grouping factor of the model, by name or number.",
    x = it_is(level),
    i = paste0("The grouping factors are ", enumerate(tick(groups)), "."),
    arg = "level"
  )
}

#' @rdname model-parts
#' @importFrom nlme getData
#' @export
getData.rlmm <- function(object) original_data(object) %||% frame_data(object)

#' The data frame named in the call, if it still has the values that were fitted
#' @noRd
original_data <- function(fit) {
  env <- environment(fit$formula)
  data <- tryCatch(eval(fit$call$data, env), error = \(e) {
    NULL
  })
  if (is.data.frame(data) && holds_fit(data, fit)) data
}

# Whether the variables of the model in the data still have the fitted values.
holds_fit <- function(data, fit) {
  frame <- fit$frame
  rows <- match(row.names(frame), row.names(data))
  if (anyNA(rows)) {
    return(FALSE)
  }
  variables <- as.list(attr(attr(frame, "terms"), "variables"))[-1L]
  names(variables) <- vapply(variables, deparse_one, "")
  variables <- variables[names(variables) %in% names(frame)]
  env <- environment(fit$formula)
  is_same <- function(name) {
    now <- eval_or_null(variables[[name]], data, env)
    NROW(now) == nrow(data) && has_values(now, rows, frame[[name]])
  }
  all(vapply(names(variables), is_same, NA))
}

has_values <- function(variable, rows, fitted) {
  # lme4 converts numeric grouping variables to factors.
  if (is.factor(fitted)) {
    variable <- as.character(variable)
  }
  kept <- as.matrix(variable)[rows, , drop = FALSE]
  identical(plain_values(kept), plain_values(as.matrix(fitted)))
}

# The values for comparison: numbers of any type as double, levels of a factor as text.
plain_values <- function(x) {
  if (is.character(x)) as.vector(x) else as.double(x)
}

#' The model frame as data: weights and offset under the names of their variables
#' @noRd
frame_data <- function(fit) {
  data <- fit$frame
  attr(data, "terms") <- attr(data, "na.action") <- attr(
    data,
    "formula"
  ) <- NULL
  for (part in c("weights", "offset")) {
    column <- match(paste0("(", part, ")"), names(data))
    source <- fit$call[[part]]
    if (
      !is.na(column) &&
        is.symbol(source) &&
        !as.character(source) %in% names(data)
    ) {
      names(data)[column] <- as.character(source)
    }
  }
  data
}
