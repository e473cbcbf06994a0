#' Change a model and fit it again
#'
#' Changes the fitting call as [stats::update()] does and evaluates it.
#'
#' The fit holds its data, the model frame. It is used as long as the new formula and arguments need
#' nothing else, so that the new model is one of the same observations, whatever has become of the
#' data since, and rows that were left out for missing values stay so. What needs other variables
#' takes the data that the call names, from where the model was made (the environment of its
#' formula) or where `update()` is called; a warning tells if they aren't what was fitted any more.
#' Give `data` to fit to other data.
#'
#' A term to be removed may be written in any way that means it: `(1 + Days | Subject)` for `(Days |
#' Subject)`, or `(0 + Days | Subject)` out of `(Days || Subject)`. A warning tells of a removal
#' that removes nothing.
#'
#' What belongs to a part of the formula that goes, goes with it: its `contrasts`, `start`, and
#' parameters that are held (see [rlmm_control()]), of which a message tells.
#'
#' @param object A fitted model.
#' @param formula. Changes to the formula, such as `. ~ . - Days`; random-effects terms are added
#'   and removed like others.
#' @param ... Arguments of the fitting function to change, or to remove with `NULL`.
#' @param evaluate Fit the model, or return the call?
#' @return A fitted model, or a call.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' update(fit, REML = FALSE)
#' update(fit, . ~ . - (Days | Subject) + (1 | Subject))
#' @importFrom stats update
#' @export
update.rlmm <- function(object, formula., ..., evaluate = TRUE) {
  check_flag(evaluate, "evaluate")
  changes <- as.list(substitute(list(...)))[-1]
  check_change_names(changes)
  caller <- parent.frame()
  formula <- if (!missing(formula.)) changed_formula(object, formula.)
  change <- wanted_change(object, formula, names(changes), caller)
  call <- changed_call(object, change, changes)
  if (!evaluate) {
    return(portable_call(object, call, change))
  }
  fit_changed(object, call, change)
}

#' What `changed_call()` calls a change
#' @param formula The new formula; `NULL` if it stays.
#' @param arguments Names of the arguments that change.
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

#' The call with the changes made, without what belonged to a part of the formula that is gone
#' @param change A list: the new `formula`, the names of what is `changed` (with "formula", if it
#'   is), and the `caller`, to whom the changed arguments mean what they mean.
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

# An argument changed to NULL is one that the call doesn't have.
without_nulls <- function(call) {
  as.call(drop_null(as.list(call)))
}

#' The model of another formula, fitted with all else as it was
#' @noRd
fit_with_formula <- function(fit, formula) {
  change <- list(
    formula = formula,
    changed = "formula",
    caller = environment(formula)
  )
  fit_changed(fit, changed_call(fit, change), change)
}

#' Contrasts of the variables that the formula has
#' @param contrasts The list, or a call to `list()`.
#' @noRd
known_contrasts <- function(contrasts, formula) {
  is_list_call <- call_name(contrasts) == "list"
  if (!is_list_call && !is.list(contrasts)) {
    return(contrasts)
  }
  known <- vapply(formula_variables(formula), deparse_one, "")
  gone <- setdiff(names(contrasts), c(known, ""))
  contrasts[gone] <- NULL
  if (length(contrasts) > is_list_call) contrasts
}

#' Fits the changed call, to the data of the fit where they suffice
#' @noRd
fit_changed <- function(fit, call, change) {
  args <- as.list(call)[-1]
  new <- if (!is.null(fit$sums)) {
    fit_from_sums(fit, args, change)
  } else if (is_counted(fit) && !frame_suffices(fit, args, change)) {
    fit_to_table(fit, args, change)
  } else if (frame_suffices(fit, args, change)) {
    tell_changed_data(fit, args, change)
    fit_to_frame(fit, args, change)
  } else {
    fit_to_data(fit, args, change)
  }
  # With `devFunOnly` it is no fit.
  if (is.function(new)) {
    return(new)
  }
  new$call <- call
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
  new$na_action <- joined_na_action(fit$na_action, new$na_action, n)
  new
}

#' The values of arguments that aren't changed, of those evaluated in the data the stored ones
#' @noRd
frame_arguments <- function(fit, args, data, change) {
  elsewhere <- setdiff(names(args), c(change$changed, evaluated_in_data(fit)))
  kept <- kept_arguments(fit, args[elsewhere], data, change)
  stored <- stored_arguments(fit, args, change)
  c(kept, drop_null(stored))
}

#' Values in the stored frame of the arguments that are evaluated in the data and aren't changed;
#' `NULL` for those that aren't given
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
#' @param plain Without what the fit knows of its variables, as another subset asks for.
#' @noRd
frame_as_data <- function(fit, plain) {
  data <- frame_data(fit)
  if (is_counted(fit)) {
    class(data) <- c("rlmm_counted_rows", "data.frame")
  }
  if (plain) {
    return(data)
  }
  atoms <- lapply(fit$random, \(term) {
    exprs <- lapply(group_atoms(term$group_expr), \(expr) {
      list(expr = expr, row_wise = term$row_wise)
    })
    rlang::set_names(exprs, term$group_vars)
  })
  as_fitted_data(
    data,
    attr(fit$frame, "terms"),
    do.call(c, atoms)
  )
}

#' Whether the formula and the arguments need nothing but the stored frame
#' @noRd
frame_suffices <- function(fit, args, change) {
  if (is.null(fit$frame) || "data" %in% change$changed) {
    return(FALSE)
  }
  # A subset is told in rows of the data, as is what `na.action` leaves out.
  has_all_rows <- is.null(fit$na_action) && is.null(fit$call$subset)
  is_selected_anew <- any(c("subset", "na.action") %in% change$changed)
  if (is_selected_anew && !has_all_rows) {
    return(FALSE)
  }
  has_argument_variables(fit, args, change, has_all_rows) &&
    has_formula_variables(fit, change)
}

#' Whether the variables of changed arguments are columns of the frame, or have a value for the
#' caller, which belongs to all rows of the data
#' @noRd
has_argument_variables <- function(fit, args, change, has_all_rows) {
  changed <- args[intersect(evaluated_in_data(fit), change$changed)]
  variables <- unlist(lapply(changed, all.vars))
  in_frame <- variables %in% names(fit$frame)
  if (!has_all_rows) {
    return(all(in_frame))
  }
  is_value <- vapply(variables, exists, NA, envir = change$caller)
  # A formula's variables are columns of the data, wherever else there may be one of that name.
  is_value[variables %in% all.vars(changed$dispersion)] <- FALSE
  all(in_frame | is_value)
}

has_formula_variables <- function(fit, change) {
  known <- names(frame_data(fit))
  # With another subset a basis such as `poly(x, 2)` is another one.
  columns <- if (!"subset" %in% change$changed) known
  env <- environment(change$formula)
  n <- nrow(fit$frame)
  for (variable in formula_variables(change$formula)) {
    if (!is_held(variable, columns, known, env, n)) return(FALSE)
  }
  TRUE
}

#' Whether a variable of a formula is a column, or can be made of columns and constants
#' @param columns,names Names of columns, as expressions and as variables.
#' @param n Rows of the frame: what has as many values is data, not a constant.
#' @noRd
is_held <- function(variable, columns, names, env, n) {
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

#' The rows left out by a fit and by one to its frame, both counted in the data
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
    smaller_sums(fit, change$formula)
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

#' Fits a changed call to a table: arguments are expressions in its columns
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

#' The value of `data` where the model was made or where `update()` was called
#'
#' Preferably the one that still holds what was fitted: another data frame may have the same name.
#' Otherwise the first with the formula's variables, with a warning.
#' @noRd
find_data <- function(fit, expr, change) {
  formula <- change$formula
  candidates <- data_candidates(expr, change)
  found <- Filter(\(data) has_variables(data, formula), candidates)
  if (length(found) > 0) {
    return(fitted_data_of(found, fit, expr))
  }
  if (!is.null(expr) || !has_variables(NULL, formula)) {
    abort_no_data(expr, fit, change)
  }
  NULL
}

# The smallest of several data frames that hold what was fitted.
fitted_data_of <- function(found, fit, expr) {
  changed <- lapply(found, changed_variables, fit = fit)
  same <- found[lengths(changed) == 0]
  if (length(same) == 0) {
    warn_changed_data(expr, changed[[1]])
    return(found[[1]])
  }
  n_rows <- vapply(same, NROW, 1L)
  same[[which.min(n_rows)]]
}

data_candidates <- function(expr, change) {
  places <- list(environment(change$formula), change$caller)
  values <- lapply(places, eval_or_null, expr = expr, data = NULL)
  Filter(is.list, values)
}

has_variables <- function(data, formula) {
  variables <- setdiff(all.vars(formula), ".")
  all(vapply(variables, is_known, NA, data = data, env = environment(formula)))
}

#' Names of the variables of a fit that are something else in some data; "rows" if its rows aren't
#' there
#' @noRd
changed_variables <- function(data, fit) {
  if (is.null(fit$frame) || !is.data.frame(data)) {
    return(character())
  }
  rows <- match(row.names(fit$frame), row.names(data))
  if (anyNA(rows)) {
    return("rows")
  }
  is_other <- \(variable) has_changed(variable, data, rows, fit)
  changed <- Filter(is_other, terms_variables(attr(fit$frame, "terms")))
  vapply(changed, deparse_one, "")
}

has_changed <- function(variable, data, rows, fit) {
  value <- eval_or_null(variable, data, environment(fit$formula))
  fitted <- fit$frame[[deparse_one(variable)]]
  !same_values(value, rows, nrow(data), fitted)
}

same_values <- function(value, rows, n, fitted) {
  if (NROW(value) != n) {
    return(FALSE)
  }
  is_matrix <- is.matrix(value)
  now <- if (is_matrix) value[rows, , drop = FALSE] else value[rows]
  if (is.factor(fitted) || is.factor(now)) {
    return(identical(as.character(now), as.character(fitted)))
  }
  isTRUE(all.equal(c(now), c(fitted), tolerance = 0, check.attributes = FALSE))
}

# An update without a change may have been asked for because the data are new.
tell_changed_data <- function(fit, args, change) {
  if (length(change$changed) > 0) {
    return(invisible())
  }
  found <- data_candidates(args$data, change)
  is_same <- \(data) length(changed_variables(data, fit)) == 0
  if (length(found) > 0 && !any(vapply(found, is_same, NA))) {
    inform_changed_data(short_deparse(args$data))
  }
}

inform_changed_data <- function(name) {
  text <- "The model is fitted again to its own data; %s has changed."
  hint <- "Use `update(fit, data = %s)` to fit it to what that is now."
  inform_rlmm(
    c(sprintf(text, tick(name)), i = sprintf(hint, name)),
    "rlmm_message_changed_data"
  )
}

warn_changed_data <- function(expr, variables) {
  name <- short_deparse(expr)
  found <- if (identical(variables, "rows")) {
    "Rows of the fit aren't in it."
  } else {
    verb <- if (length(variables) == 1) {
      "has other values"
    } else {
      "have other values"
    }
    paste0(enumerate(tick(variables)), " ", verb, ".")
  }
  warn_rlmm(
    c(
      paste0(
        tick(name),
        " isn't the data that the model was fitted to any more."
      ),
      x = found,
      i = "The new model is fitted to what it is now; give `data` to say what is meant."
    ),
    "rlmm_warning_changed_data",
    variables = variables
  )
}

abort_no_data <- function(expr, fit, change) {
  stored <- if (!is.null(fit$frame)) names(frame_data(fit))
  missing <- setdiff(all.vars(change$formula), c(".", stored))
  candidates <- data_candidates(expr, change)
  unheld <- if (length(candidates) > 0) setdiff(missing, names(candidates[[1]]))
  if (length(unheld) > 0) {
    abort_unheld(expr, unheld)
  }
  abort_lost_data(expr, missing)
}

abort_lost_data <- function(expr, missing) {
  gone <- "%s doesn't exist any more."
  lacking <- "The frame stored in the fit doesn't hold %s."
  abort_rlmm(
    c(
      "Can't find the data of the model.",
      x = if (!is.null(expr)) sprintf(gone, tick(deparse_one(expr))),
      i = if (length(missing) > 0) sprintf(lacking, enumerate(tick(missing))),
      i = "Give the data: `update(fit, ..., data = )`."
    ),
    "rlmm_error_variable"
  )
}

abort_unheld <- function(expr, variables) {
  abort_rlmm(
    c(
      paste0("Can't find ", enumerate(tick(variables)), "."),
      x = paste0(
        tick(short_deparse(expr)),
        ", the data of the model, doesn't hold ",
        if (length(variables) == 1L) "it" else "them",
        "."
      )
    ),
    "rlmm_error_variable",
    variable = variables
  )
}

# Arguments -------------------------------------------------------------------

#' Arguments that are evaluated in the data; the `dispersion` of rglmm() is another than that of
#' rlmm()
#' @noRd
evaluated_in_data <- function(fit) {
  common <- c("weights", "offset", "subset", "mustart", "etastart")
  if (isLMM.rlmm(fit)) c(common, "dispersion") else common
}

#' The values of arguments that aren't changed
#'
#' What the fit knows of its own arguments needn't be evaluated; a start belongs to the old model.
#' @noRd
kept_arguments <- function(fit, args, data, change) {
  args <- args[!names(args) %in% c("formula", "data", "start")]
  names <- rlang::set_names(names(args))
  lapply(names, \(name) kept_argument(fit, name, args[[name]], data, change))
}

kept_argument <- function(fit, name, expr, data, change) {
  places <- list(environment(fit$formula), change$caller)
  switch(
    name,
    REML = fit$reml,
    control = kept_control(fit, expr),
    sigma = fit$sigma,
    family = unfitted_family(fit),
    contrasts = kept_contrasts(fit, expr, places, change),
    eval_first(expr, if (name %in% evaluated_in_data(fit)) data, places)
  )
}

kept_control <- function(fit, control) {
  if (inherits(control, "rlmm_control")) control else fit$control
}

# The fit knows those of all its factors, should the argument not be there any more.
kept_contrasts <- function(fit, expr, places, change) {
  value <- tryCatch(
    eval_first(expr, NULL, places),
    error = \(e) fit$fixed$contrasts
  )
  known_contrasts(value, change$formula)
}

changed_arguments <- function(fit, args, data, caller) {
  lapply(rlang::set_names(names(args)), function(name) {
    if (name %in% evaluated_in_data(fit)) {
      eval(args[[name]], data, caller)
    } else {
      eval(args[[name]], caller)
    }
  })
}

#' The value of an expression in the first environment in which it has one
#' @noRd
eval_first <- function(expr, data, envs) {
  for (env in envs[-length(envs)]) {
    value <- tryCatch(list(eval(expr, data, env)), error = \(e) NULL)
    if (!is.null(value)) {
      return(value[[1]])
    }
  }
  eval(expr, data, envs[[length(envs)]])
}

#' Calls the fitting function of a fit
#' @param values The arguments that aren't changed.
#' @noRd
call_fitter <- function(fit, args, values, data, change) {
  changed <- setdiff(intersect(change$changed, names(args)), "data")
  values[changed] <- changed_arguments(fit, args[changed], data, change$caller)
  values[c("formula", "data")] <- list(change$formula, data)
  fitter <- fitting_function(fit, names(values))
  call_by_names(fitter, values, environment(change$formula))
}

#' Calls a fitting function with values bound to the names of its arguments, so that a traceback
#' shows those and not the data
#' @noRd
call_by_names <- function(fitter, values, env) {
  names <- paste0("new_", names(values))
  bound <- rlang::set_names(values, names)
  env <- rlang::new_environment(c(bound, fitter = fitter), env)
  symbols <- rlang::set_names(lapply(names, as.symbol), names(values))
  eval(as.call(c(quote(fitter), symbols)), env)
}

# The call of a fit made through another function may have a name that means nothing here.
fitting_function <- function(fit, arguments) UseMethod("fitting_function")

#' @export
fitting_function.rlmm_lmm <- function(fit, arguments) rlmm

#' @export
fitting_function.rlmm_glmm <- function(fit, arguments) {
  if ("family" %in% arguments) rglmm else rglmm_nb
}

# Calls that are evaluated elsewhere -------------------------------------------

#' The changed call, fit to be evaluated by the caller
#'
#' If the data that the call names aren't there what was fitted, those where the model was made
#' stand in their place, or else the stored frame.
#' @noRd
portable_call <- function(fit, call, change) {
  data <- eval_or_null(call$data, NULL, change$caller)
  if (is.null(call$data) || is_as_fitted(data, fit)) {
    return(call)
  }
  made_with <- eval_or_null(call$data, NULL, environment(change$formula))
  if (is_as_fitted(made_with, fit)) {
    call$data <- made_with
    return(call)
  }
  args <- as.list(call)[-1]
  if (frame_suffices(fit, args, change)) {
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

# Whether data are those of the fit: with the same rows, and no others.
is_as_fitted <- function(data, fit) {
  if (!is.list(data)) {
    return(FALSE)
  }
  n <- nrow(fit$frame) + length(fit$na_action)
  has_its_rows <- !is.null(fit$call$subset) || identical(nrow(data), n)
  has_its_rows && length(changed_variables(data, fit)) == 0
}
