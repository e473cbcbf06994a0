#' Change a model and fit it again
#'
#' Changes the fitting call like [stats::update()] and evaluates it.
#'
#' The fit stores its model frame, which is used as long as the new formula and arguments need no
#' other data. The new model is then fitted to the same observations, even if the data have changed
#' since, and rows omitted because of missing values stay omitted. Models that need other variables
#' use the data named in the call, from the environment of the formula or the one from which
#' `update()` is called, with a warning if they are no longer the fitted data. Give `data` to fit to
#' other data.
#'
#' A term to remove may be given in any equivalent form: `(1 + Days | Subject)` for `(Days |
#' Subject)`, or `(0 + Days | Subject)` out of `(Days || Subject)`. A removal without effect gives a
#' warning.
#'
#' Arguments that belong to a removed part of the formula are removed with it: its `contrasts`,
#' `start`, and held parameters (see [rlmm_control()]), the latter with a message.
#'
#' @param object A fitted model.
#' @param formula. Changes to the formula, such as `. ~ . - Days`; random-effects terms are added
#'   and removed like others.
#' @param ... Arguments of the fitting function to change, or to remove with `NULL`.
#' @param evaluate Whether to fit the model (`TRUE`) or return the call.
#' @return A fitted model, or a call.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' update(fit, REML = FALSE)
#' update(fit, . ~ . - (Days | Subject) + (1 | Subject))
#' @importFrom stats update
#' @export
update.rlmm <- function(object, formula., ..., evaluate = TRUE) {
  check_flag(evaluate, "evaluate")
  changes <- read_changes(substitute(list(...)), object)
  caller <- parent.frame()
  formula <- if (!missing(formula.)) changed_formula(object, formula.)
  change <- wanted_change(object, formula, names(changes), caller)
  call <- changed_call(object, change, changes)
  if (!evaluate) {
    return(portable_call(object, call, change))
  }
  fit_changed(object, call, change)
}

#' The changed arguments, as expressions with complete names
#' @param call The call `list(...)`, not evaluated.
#' @noRd
read_changes <- function(call, fit) {
  changes <- as.list(call)[-1L]
  check_change_names(changes)
  names(changes) <- full_names(names(changes), fit)
  changes
}

#' Completes abbreviated names of arguments, which R allows before the dots of a function
#' @noRd
full_names <- function(names, fit) {
  fitter <- fitting_function(fit, c(names(fit$call), names))
  known <- names(formals(fitter))
  known <- known[seq_along(known) < match("...", known)]
  at <- pmatch(names, known)
  ifelse(is.na(at), names, known[at])
}

#' The change for `changed_call()`
#' @param formula The new formula; `NULL` if it is unchanged.
#' @param arguments The names of the changed arguments.
#' @noRd
wanted_change <- function(fit, formula, arguments, caller) {
  changed <- c(arguments, if (!is.null(formula)) "formula")
  formula <- formula %||% stats::formula(fit)
  environment(formula) <- living_environment(fit, caller)
  list(
    formula = formula,
    changed = changed,
    caller = caller
  )
}

check_change_names <- function(changes) {
  names <- names(changes) %||% character(length(changes))
  if (!all(nzchar(names))) {
    abort_unknown_argument("update", "")
  }
}

#' The changed call, without arguments that belonged to a removed part of the formula
#' @param change A list: the new `formula`, the names of `changed` arguments (including "formula",
#'   if it changed), and the `caller`, in which changed arguments are evaluated.
#' @param changes The changed arguments, as expressions.
#' @noRd
changed_call <- function(fit, change, changes = list()) {
  call <- fit$call
  if ("formula" %in% change$changed) {
    call$formula <- change$formula
    call$start <- NULL
    call["contrasts"] <- list(known_contrasts(call$contrasts, change$formula))
    if (!is.null(fit$control$fixed)) call$control <- lenient_control(fit)
  }
  call[names(changes)] <- changes
  without_nulls(call)
}

# Removes arguments that were changed to NULL.
without_nulls <- function(call) {
  as.call(drop_null(as.list(call)))
}

#' Fits the model of another formula with all other arguments unchanged
#' @noRd
fit_with_formula <- function(fit, formula) {
  change <- list(
    formula = formula,
    changed = "formula",
    caller = environment(formula)
  )
  fit_changed(fit, changed_call(fit, change), change)
}

#' Fits the changed call, to the stored frame if it suffices
#' @noRd
fit_changed <- function(fit, call, change) {
  args <- as.list(call)[-1]
  new <- if (!is.null(fit$sums)) {
    fit_from_sums(fit, args, change)
  } else if (is_counted(fit) && !frame_suffices(fit, args, change)) {
    fit_to_table(fit, args, change)
  } else if (frame_suffices(fit, args, change)) {
    report_changed_data(fit, args, change)
    fit_to_frame(fit, args, change)
  } else {
    fit_to_data(fit, args, change)
  }
  # With `devFunOnly` the result is a function.
  if (is.function(new)) {
    return(new)
  }
  new$call <- with_call_moved(
    call,
    environment(change$formula),
    environment(new$formula)
  )
  if (inherits(call$control, "rlmm_control")) {
    new$call$control <- new$control
  }
  new
}

# To the stored frame ---------------------------------------------------------

fit_to_frame <- function(fit, args, change) {
  data <- frame_as_data(fit, "subset" %in% change$changed)
  values <- frame_arguments(fit, args, data, change)
  new <- call_fitter(fit, args, values, data, change)
  if (is.function(new)) {
    return(new)
  }
  n <- nrow(fit$frame)
  omitted <- joined_na_action(fit$na_action, new$na_action, n)
  new$na_action <- omitted
  # A slim fit has no frame.
  if (!is.null(new$frame)) {
    attr(new$frame, "na.action") <- omitted
  }
  new
}

#' The values of unchanged arguments, with stored values of those evaluated in the data
#' @noRd
frame_arguments <- function(fit, args, data, change) {
  elsewhere <- setdiff(names(args), c(change$changed, evaluated_in_data(fit)))
  kept <- kept_arguments(fit, args[elsewhere], data, change)
  stored <- stored_arguments(fit, args, change)
  c(kept, drop_null(stored))
}

#' The stored values of unchanged arguments that are evaluated in the data; `NULL` for missing ones
#' @noRd
stored_arguments <- function(fit, args, change) {
  kept <- setdiff(evaluated_in_data(fit), change$changed)
  columns <- rlang::set_names(paste0("(", kept, ")"), kept)
  stored <- lapply(columns, \(column) fit$frame[[column]])
  if (has_strata(fit$frame)) {
    given <- if (!is.null(args$weights)) fit$frame[["(prior)"]]
    stored["weights"] <- list(given)
  }
  stored
}

#' The frame of a fit as data
#' @param plain Whether to drop the `predvars` of the variables, as for another subset.
#' @noRd
frame_as_data <- function(fit, plain) {
  data <- frame_data(fit)
  if (is_counted(fit)) {
    class(data) <- c("rlmm_counted_rows", "data.frame")
  }
  if (plain) {
    return(data)
  }
  atoms <- do.call(c, lapply(fit$random, named_atoms))
  as_fitted_data(data, attr(fit$frame, "terms"), atoms)
}

# The expressions whose interaction is the grouping factor of a term, named as in the frame.
named_atoms <- function(term) {
  exprs <- lapply(group_atoms(term$group_expr), \(expr) {
    list(expr = expr, row_wise = term$row_wise)
  })
  rlang::set_names(exprs, term$group_vars)
}

#' Whether the stored frame suffices for the formula and the arguments
#' @noRd
frame_suffices <- function(fit, args, change) {
  if (is.null(fit$frame) || "data" %in% change$changed) {
    return(FALSE)
  }
  # A subset and omitted rows refer to the rows of the data.
  has_all_rows <- is.null(fit$na_action) && is.null(fit$call$subset)
  is_selected_anew <- any(c("subset", "na.action") %in% change$changed)
  if (is_selected_anew && !has_all_rows) {
    return(FALSE)
  }
  has_argument_variables(fit, args, change, has_all_rows) &&
    has_formula_variables(fit, change)
}

#' Whether the variables of changed arguments are columns of the frame, or objects of the caller
#' with a value for each row of the data
#' @noRd
has_argument_variables <- function(fit, args, change, has_all_rows) {
  changed <- args[intersect(evaluated_in_data(fit), change$changed)]
  variables <- unlist(lapply(changed, all.vars))
  in_frame <- variables %in% names(fit$frame)
  if (!has_all_rows) {
    return(all(in_frame))
  }
  is_value <- vapply(variables, exists, NA, envir = change$caller)
  # Variables of a formula are columns of the data, even if the caller has an object of that name.
  is_value[variables %in% all.vars(changed$dispersion)] <- FALSE
  all(in_frame | is_value)
}

has_formula_variables <- function(fit, change) {
  known <- names(frame_data(fit))
  # With another subset, a basis such as `poly(x, 2)` changes.
  columns <- if (!"subset" %in% change$changed) known
  env <- environment(change$formula)
  n <- nrow(fit$frame)
  for (variable in formula_variables(change$formula)) {
    if (!comes_from_frame(variable, columns, known, env, n)) return(FALSE)
  }
  TRUE
}

#' Whether a variable of a formula is a column, or can be computed from columns and constants
#' @param columns,names The names of columns, as expressions and as variables.
#' @param n The number of rows of the frame: an object of this length is data, not a constant.
#' @noRd
comes_from_frame <- function(variable, columns, names, env, n) {
  if (deparse_one(variable) %in% columns) {
    return(TRUE)
  }
  others <- setdiff(all.vars(variable), names)
  is_constant <- \(name) {
    value <- get0(name, envir = env)
    is.language(variable) &&
      !is.symbol(variable) &&
      !is.null(value) &&
      !NROW(value) %in% n
  }
  all(vapply(others, is_constant, NA))
}

#' The rows omitted by a fit and by a fit to its frame, as rows of the data
#' @noRd
joined_na_action <- function(old, new, n) {
  if (is.null(new)) {
    return(old)
  }
  rows <- setdiff(seq_len(n + length(old)), old)[new]
  joined <- sort(c(old, rlang::set_names(rows, names(new))))
  structure(joined, class = class(old %||% new))
}

# To sums -----------------------------------------------------------------------

#' Fits a changed call of a fit of sums: from its sums, or to the table that its call names
#' @noRd
fit_from_sums <- function(fit, args, change) {
  of_rows <- c("data", "weights", "offset", "contrasts", "weights_type")
  sums <- if (!any(of_rows %in% change$changed)) {
    submodel_sums(fit, change$formula)
  }
  if (is.null(sums)) {
    return(fit_to_table(fit, args, change))
  }
  kept <- intersect(names(args), c("REML", "control", "sigma", "verbose"))
  kept <- setdiff(kept, change$changed)
  values <- kept_arguments(fit, args[kept], NULL, change)
  changed <- setdiff(intersect(change$changed, names(args)), "formula")
  given <- changed_arguments(fit, args[changed], NULL, change$caller)
  values <- c(list(formula = sums), values, given)
  call_by_names(rlmm, values, environment(change$formula))
}

#' Fits a changed call to a table, in whose columns arguments are evaluated
#' @noRd
fit_to_table <- function(fit, args, change) {
  data <- table_of_call(args$data, change)
  if (is.null(data)) {
    abort_no_rows(
      "A model with other columns",
      "Give `rlmm_sums()` the other formula."
    )
  }
  env <- rlang::env(
    change$caller,
    fitter = fitting_function(fit, names(args)),
    new_data = data
  )
  args <- args[setdiff(names(args), setdiff("start", change$changed))]
  args$formula <- change$formula
  args$data <- quote(new_data)
  eval(as.call(c(quote(fitter), args)), env)
}

table_of_call <- function(expr, change) {
  is_table <- \(data) is.data.frame(data) || is_summed_up(data)
  places <- list(change$caller, environment(change$formula))
  values <- lapply(places, eval_or_null, expr = expr, data = NULL)
  found <- Filter(is_table, values)
  if (length(found) > 0L) found[[1L]]
}

# To the data that the call names --------------------------------------------

fit_to_data <- function(fit, args, change) {
  is_given <- "data" %in% change$changed
  data <- if (is_given) {
    eval(args$data, change$caller)
  } else {
    find_data(fit, args$data, change)
  }
  kept <- args[setdiff(names(args), change$changed)]
  values <- kept_arguments(fit, kept, data, change)
  call_fitter(fit, args, values, data, change)
}

# Portable calls ---------------------------------------------------------------

#' The changed call in a form that the caller can evaluate
#'
#' If the data named in the call are not those of the fit for the caller, they are replaced by those
#' in the environment of the model, or by the stored frame.
#' @noRd
portable_call <- function(fit, call, change) {
  data <- eval_or_null(call$data, NULL, change$caller)
  if (is.null(call$data) || is_as_fitted(data, fit)) {
    return(call)
  }
  made_with <- eval_or_null(call$data, NULL, environment(change$formula))
  args <- as.list(call)[-1]
  if (is_as_fitted(made_with, fit)) {
    call$data <- made_with
  } else if (frame_suffices(fit, args, change)) {
    call <- with_stored_data(call, fit, args, change)
  }
  call
}

with_stored_data <- function(call, fit, args, change) {
  call$data <- frame_as_data(fit, plain = FALSE)
  stored <- stored_arguments(fit, args, change)
  call[names(stored)] <- stored
  without_nulls(call)
}

# Whether data are those of the fit, with exactly the same rows.
is_as_fitted <- function(data, fit) {
  if (!is.list(data)) {
    return(FALSE)
  }
  n <- nrow(fit$frame) + length(fit$na_action)
  has_its_rows <- !is.null(fit$call$subset) || identical(nrow(data), n)
  has_its_rows && length(changed_variables(data, fit)) == 0
}
