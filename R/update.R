#' Change a model and fit it again
#'
#' Changes the fitting call as [stats::update()] does and evaluates it. The data that the call names
#' are looked up where the model was made (the environment of its formula), then where `update()` is
#' called. If they are found in neither, because they were removed, or local to a function that has
#' returned, the model frame stored in the fit takes their place.
#'
#' Parameters that are held (see [rlmm_control()]) stay so. Those that a new formula no longer has
#' are let go, which a message tells.
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
  changes <- as.list(substitute(list(...)))[-1]
  call <- object$call
  formula <- stats::formula(object)
  if (!missing(formula.)) {
    formula <- stats::update.formula(formula, formula.)
    call$formula <- formula
    if (!is.null(object$control$fixed)) call$control <- lenient_control(object)
  }
  call <- changed_call(call, changes)
  if (!evaluate) {
    return(call)
  }
  changed <- c(names(changes), if (!missing(formula.)) "formula")
  fit <- evaluate_update(object, call, formula, changed, parent.frame())
  fit$call <- call
  if (inherits(call$control, "rlmm_control")) {
    fit$call$control <- fit$control
  }
  fit
}

# The call with changed arguments; one changed to `NULL` is one that the call doesn't have.
changed_call <- function(call, changes) {
  for (name in names(changes)) {
    call[name] <- list(changes[[name]])
  }
  as.call(Filter(Negate(is.null), as.list(call)))
}

#' @param changed Names of the arguments that the user changed: those mean what they mean to the
#'   caller.
#' @noRd
evaluate_update <- function(fit, call, formula, changed, caller) {
  args <- as.list(call)[-1]
  is_new <- "data" %in% changed
  data <- if (is_new) eval(args$data, caller)
  if (!is_new) {
    data <- find_data(fit, args$data, formula, caller)
  }
  needs_none <- is.null(args$data) && has_variables(NULL, formula)
  if (is.null(data) && !needs_none) {
    return(update_stored(fit, call, formula, changed, caller))
  }
  values <- argument_values(fit, args, changed, data, caller)
  values$formula <- formula
  values$data <- data
  call_fitter(call, values, caller)
}

#' The values of the arguments of a call, those of the fit itself among them
#' @noRd
argument_values <- function(fit, args, changed, data, caller) {
  kept <- args[setdiff(names(args), changed)]
  values <- kept_arguments(fit, kept, data, caller)
  new <- intersect(changed, names(args))
  values[new] <- changed_arguments(args[new], data, caller)
  values
}

is_nb_call <- function(call) "rglmm_nb" %in% all.names(call[[1]])

evaluated_in_data <- c("weights", "offset", "subset")

changed_arguments <- function(args, data, caller) {
  lapply(rlang::set_names(names(args)), \(name) {
    if (name %in% evaluated_in_data) {
      eval(args[[name]], data, caller)
    } else {
      eval(args[[name]], caller)
    }
  })
}

#' The values of arguments that weren't changed
#'
#' What the fit knows of its own arguments needn't be evaluated; a start belongs to the old model.
#' @noRd
kept_arguments <- function(fit, args, data, caller) {
  args <- args[!names(args) %in% c("formula", "data", "start")]
  known <- list(
    REML = fit$reml,
    control = fit$control,
    sigma = fit$sigma,
    family = unfitted_family(fit)
  )
  if (inherits(args$control, "rlmm_control")) {
    known$control <- args$control
  }
  envs <- list(environment(fit$formula), caller)
  lapply(rlang::set_names(names(args)), \(name) {
    if (name %in% c("REML", "control", "sigma", "family")) {
      return(known[[name]])
    }
    in_data <- if (name %in% evaluated_in_data) data
    eval_first(args[[name]], in_data, envs)
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

#' Calls the fitting function with values bound to the names of its arguments, so that a traceback
#' shows those and not the data
#' @noRd
call_fitter <- function(call, values, caller) {
  fitter <- find_fitter(call, names(values), caller)
  env <- rlang::env(environment(values$formula), fitter = fitter)
  names <- paste0("new_", names(values))
  for (i in seq_along(values)) {
    assign(names[i], values[[i]], envir = env)
  }
  arguments <- rlang::set_names(lapply(names, as.symbol), names(values))
  eval(as.call(c(quote(fitter), arguments)), env)
}

# The fitting function that a call names, or the one that made such a fit where the name means
# nothing here.
find_fitter <- function(call, arguments, caller) {
  known <- list(rlmm = rlmm, rglmm = rglmm, rglmm_nb = rglmm_nb)
  own <- if (is_nb_call(call)) {
    rglmm_nb
  } else if ("family" %in% arguments) {
    rglmm
  } else {
    rlmm
  }
  tryCatch(eval(call[[1]], known, caller), error = \(cnd) own)
}

# Data ----------------------------------------------------------------------

#' The value of `data` where the model was made or where `update()` was called
#'
#' A value that still holds what was fitted, and least beyond it, is preferred: another data frame
#' may have the same name. Otherwise it is the first with the formula's variables, as the user may
#' have changed the data on purpose.
#' @noRd
find_data <- function(fit, expr, formula, caller) {
  found <- values_of_data(expr, formula, caller)
  found <- Filter(\(data) has_variables(data, formula), found)
  if (length(found) == 0) {
    return(NULL)
  }
  same <- Filter(\(data) is.data.frame(data) && holds_fit(data, fit), found)
  if (length(same) == 0) {
    return(found[[1]])
  }
  same[[which.min(vapply(same, nrow, 1L))]]
}

# The data frames and lists that an expression stands for, in the formula's environment and in the
# caller's.
values_of_data <- function(expr, formula, caller) {
  found <- lapply(list(environment(formula), caller), \(env) {
    tryCatch(eval(expr, env), error = \(cnd) NULL)
  })
  Filter(is.list, found)
}

has_variables <- function(data, formula) {
  variables <- setdiff(all.vars(formula), ".")
  all(vapply(variables, is_known, NA, data = data, env = environment(formula)))
}

#' Update from the stored frame
#'
#' The frame holds the variables as the formula used them: enough for the same formula, and for
#' another one if its variables are in the frame untransformed.
#' @noRd
update_stored <- function(fit, call, formula, changed, caller) {
  args <- as.list(call)[-1]
  if (keeps_design(fit, changed)) {
    new <- args[intersect(changed, names(args))]
    return(refit_changed(fit, changed_arguments(new, NULL, caller), changed))
  }
  data <- frame_data(fit)
  if ("data" %in% changed || !has_variables(data, formula)) {
    abort_no_data(call$data, formula, data, caller)
  }
  in_frame <- setdiff(c(evaluated_in_data, "na.action"), changed)
  args <- args[setdiff(names(args), in_frame)]
  values <- argument_values(fit, args, changed, data, caller)
  for (name in setdiff(c("weights", "offset"), changed)) {
    values[[name]] <- fit$frame[[paste0("(", name, ")")]]
  }
  values$formula <- formula
  values$data <- data
  new <- call_fitter(call, values, caller)
  if (nrow(new$frame) == nrow(fit$frame)) {
    new$na_action <- fit$na_action
  }
  new
}

refit_changed <- function(fit, values, changed) {
  if ("REML" %in% changed) {
    fit$reml <- values$REML %||% TRUE
  }
  if ("control" %in% changed) {
    fit$control <- as_control(values$control %||% rlmm_control())
    fit["held"] <- list(held_beta(fit$control, fit$fixed))
  }
  fit <- with_sigma(fit, values$sigma, "sigma" %in% changed)
  start <- check_start(values$start, fit$random)
  fit_again(fit, start = start, verbose = values$verbose %||% 0L)
}

#' The fit with another known sigma
#' @param given Whether the argument `sigma` was changed; otherwise a sigma that the control holds
#'   counts.
#' @noRd
with_sigma <- function(fit, sigma, given) {
  if (given) {
    check_sigma(sigma)
    fit$known_sigma <- !is.null(sigma)
    fit$sigma <- sigma
  }
  held <- known_sigma(if (given) sigma, fit$control)
  if (!is.null(held)) {
    fit[c("known_sigma", "sigma")] <- list(TRUE, held)
  }
  fit
}

abort_no_data <- function(expr, formula, stored, caller) {
  missing <- setdiff(all.vars(formula), c(".", names(stored)))
  data <- values_of_data(expr, formula, caller)
  unheld <- setdiff(missing, names(data[1L][[1L]]))
  if (length(data) > 0 && length(unheld) > 0) {
    abort_unheld(expr, unheld)
  }
  gone <- if (!is.null(expr)) tick(deparse_one(expr))
  abort_rlmm(
    c(
      "Can't find the data of the model.",
      x = if (!is.null(gone)) paste(gone, "doesn't exist any more."),
      i = if (length(missing) > 0) {
        sprintf(
          "The frame stored in the fit doesn't hold %s.",
          enumerate(tick(missing))
        )
      },
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

#' Whether the changed arguments leave the design as it is, so that the stored frame is all that a
#' new fit needs
#' @noRd
keeps_design <- function(fit, changed) UseMethod("keeps_design")

#' @export
keeps_design.rlmm_lmm <- function(fit, changed) {
  all(changed %in% c("REML", "control", "start", "verbose", "sigma"))
}

#' @export
keeps_design.rlmm_glmm <- function(fit, changed) FALSE
