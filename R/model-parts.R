#' Parts of a fitted model
#'
#' What the fit was made of, taken from the fit itself: none of these evaluates the call again, so
#' they work when the data are gone, in another session too.
#'
#' @param object,formula A fitted model.
#' @param fixed.only Only the variables of the fixed part?
#' @param type For `weights()`: `"prior"` (for the binomial, the numbers of trials), or `"working"`,
#'   those of the last iteration of a generalized model; the same for a linear model.
#' @param full Also the rows of weight zero, or the coefficients that were dropped?
#' @param form Not used.
#' @param level Grouping factors to return, by name or number; default: all.
#' @param data,sep Not used; arguments of the generic.
#' @param ... Ignored.
#' @return
#' * `model.frame()`: the data frame of the variables as they were used, texts as factors, with
#'   columns `(weights)` and `(offset)` if there are any.
#' * `weights()`: the prior weights, padded with `NA` under `na.action = na.exclude`.
#' * `family()`: the family object; for linear models `gaussian()`.
#' * `case.names()`: the names of the rows, without those of weight zero unless `full = TRUE`.
#' * `variable.names()`: the names of the fixed effects, with `full = TRUE` of dropped ones too.
#' * `labels()`: the labels of the terms of the fixed part.
#' * `na.action()`: the rows left out.
#' * `getData()`: the data frame given as `data`, if it still exists and still holds what was
#'   fitted; otherwise the variables of the model frame.
#' * `getGroups()`: the factor, or with several a data frame of factors, one row per observation.
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

# As in lme4's frames texts are factors, which functions such as multcomp's mcp() ask for.
with_factors <- function(frame) {
  is_text <- vapply(frame, is.character, NA)
  frame[is_text] <- lapply(frame[is_text], factor)
  frame
}

# Tests of lmtest that take the rows of any model for those of one of lm(), without random effects.
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

#' Refuses the rows of a fit to a test that would take it for one of lm()
#' @param caller The frame that asks for the rows.
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
    level %in% seq_along(groups)
  }
  if (all(ok)) {
    return(level)
  }
  abort_argument(
    "`level` must be a grouping factor of the model, by name or number.",
    x = paste0("It is ", enumerate(level), "."),
    i = paste0("The grouping factors are ", enumerate(tick(groups)), "."),
    arg = "level"
  )
}

#' @rdname model-parts
#' @importFrom nlme getData
#' @export
getData.rlmm <- function(object) original_data(object) %||% frame_data(object)

#' The data frame that the call names, if it holds what was fitted
#' @noRd
original_data <- function(fit) {
  env <- environment(fit$formula)
  data <- tryCatch(eval(fit$call$data, env), error = \(e) {
    NULL
  })
  if (is.data.frame(data) && holds_fit(data, fit)) data
}

# Whether the variables of the model still have the values that were fitted.
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
  # lme4 makes factors of grouping variables that are numbers.
  if (is.factor(fitted)) {
    variable <- as.character(variable)
  }
  kept <- as.matrix(variable)[rows, , drop = FALSE]
  identical(plain_values(kept), plain_values(as.matrix(fitted)))
}

# The values of a matrix: numbers of any kind as doubles, levels of a factor as text.
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
