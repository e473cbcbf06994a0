#' Change a model and fit it again
#'
#' Changes the fitting call as [stats::update()] does and evaluates it. The data that the call names are looked up
#' where the model was made (the environment of its formula), then where `update()` is called. If they are found in
#' neither, because they were removed, or local to a function that has returned, the model frame stored in the fit
#' takes their place.
#'
#' Parameters that are held (see [rlmm_control()]) stay so. Those that a new formula no longer has are let go, which a
#' message tells.
#'
#' @param object A fitted model.
#' @param formula. Changes to the formula, such as `. ~ . - Days`; random-effects terms are added and removed like
#'   others.
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
  for (name in names(changes)) {
    call[name] <- list(changes[[name]])
  }
  # An argument changed to NULL is one that the call doesn't have.
  call <- as.call(Filter(Negate(is.null), as.list(call)))
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

#' @param changed Names of the arguments that the user changed: those mean what they mean to the caller.
#' @noRd
evaluate_update <- function(fit, call, formula, changed, caller) {
  args <- as.list(call)[-1]
  data <- if ("data" %in% changed) {
    eval(args$data, caller)
  } else {
    find_data(fit, args$data, formula, caller)
  }
  if (is.null(data) && !(is.null(args$data) && has_variables(NULL, formula))) {
    return(update_stored(fit, call, formula, changed, caller))
  }
  values <- kept_arguments(
    fit,
    args[setdiff(names(args), changed)],
    data,
    caller
  )
  values[intersect(changed, names(args))] <- changed_arguments(
    args[intersect(changed, names(args))],
    data,
    caller
  )
  values$formula <- formula
  values$data <- data
  call_fitter(call, values, caller)
}

is_nb_call <- function(call) "rglmm_nb" %in% all.names(call[[1]])

evaluated_in_data <- c("weights", "offset", "subset")

changed_arguments <- function(args, data, caller) {
  lapply(rlang::set_names(names(args)), function(name) {
    if (name %in% evaluated_in_data) {
      eval(args[[name]], data, caller)
    } else {
      eval(args[[name]], caller)
    }
  })
}

#' What the fit knows of its own arguments needn't be evaluated; a start belongs to the old model.
#' @noRd
kept_arguments <- function(fit, args, data, caller) {
  home <- environment(fit$formula)
  args <- args[!names(args) %in% c("formula", "data", "start")]
  lapply(rlang::set_names(names(args)), function(name) {
    switch(
      name,
      REML = fit$reml,
      control = if (inherits(args$control, "rlmm_control")) {
        args$control
      } else {
        fit$control
      },
      sigma = fit$sigma,
      family = unfitted_family(fit),
      eval_first(
        args[[name]],
        if (name %in% evaluated_in_data) data,
        list(home, caller)
      )
    )
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

#' Calls the fitting function with values bound to the names of its arguments, so that a traceback shows those and not
#' the data
#' @noRd
call_fitter <- function(call, values, caller) {
  # The call of a fit made through another function may have a name that means nothing here.
  known <- list(rlmm = rlmm, rglmm = rglmm, rglmm_nb = rglmm_nb)
  own <- if (is_nb_call(call)) {
    rglmm_nb
  } else if ("family" %in% names(values)) {
    rglmm
  } else {
    rlmm
  }
  fitter <- tryCatch(eval(call[[1]], known, caller), error = \(e) own)
  env <- rlang::env(environment(values$formula), fitter = fitter)
  names <- paste0("new_", names(values))
  for (i in seq_along(values)) {
    assign(names[i], values[[i]], envir = env)
  }
  eval(
    as.call(c(
      quote(fitter),
      rlang::set_names(lapply(names, as.symbol), names(values))
    )),
    env
  )
}

# Data ----------------------------------------------------------------------

#' The value of `data` where the model was made or where `update()` was called
#'
#' Preferably the one that still holds what was fitted, and least beyond it: another data frame may have the same name.
#' Otherwise the first with the formula's variables, as the user may have changed the data on purpose.
#' @noRd
find_data <- function(fit, expr, formula, caller) {
  found <- lapply(list(environment(formula), caller), \(env) {
    tryCatch(eval(expr, env), error = \(e) NULL)
  })
  found <- Filter(\(data) is.list(data) && has_variables(data, formula), found)
  if (length(found) == 0) {
    return(NULL)
  }
  same <- Filter(\(data) is.data.frame(data) && holds_fit(data, fit), found)
  if (length(same) == 0) {
    return(found[[1]])
  }
  same[[which.min(vapply(same, nrow, 1L))]]
}

has_variables <- function(data, formula) {
  variables <- setdiff(all.vars(formula), ".")
  all(vapply(variables, is_known, NA, data = data, env = environment(formula)))
}

#' Update from the stored frame. It holds the variables as the formula used them: enough for the same formula, and for
#' another one if its variables are in the frame untransformed.
#' @noRd
update_stored <- function(fit, call, formula, changed, caller) {
  args <- as.list(call)[-1]
  if (keeps_design(fit, changed)) {
    return(refit_changed(
      fit,
      changed_arguments(args[intersect(changed, names(args))], NULL, caller),
      changed
    ))
  }
  data <- frame_data(fit)
  if ("data" %in% changed || !has_variables(data, formula)) {
    abort_no_data(call$data, formula, data, caller)
  }
  values <- kept_arguments(
    fit,
    args[setdiff(names(args), c(changed, evaluated_in_data, "na.action"))],
    data,
    caller
  )
  values[intersect(changed, names(args))] <- changed_arguments(
    args[intersect(changed, names(args))],
    data,
    caller
  )
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
  if ("sigma" %in% changed) {
    check_sigma(values$sigma)
    fit$known_sigma <- !is.null(values$sigma)
    fit$sigma <- values$sigma
  }
  held <- known_sigma(if ("sigma" %in% changed) values$sigma, fit$control)
  if (!is.null(held)) {
    fit[c("known_sigma", "sigma")] <- list(TRUE, held)
  }
  fit_again(
    fit,
    start = check_start(values$start, fit$random),
    verbose = values$verbose %||% 0L
  )
}

abort_no_data <- function(expr, formula, stored, caller) {
  missing <- setdiff(all.vars(formula), c(".", names(stored)))
  data <- Find(
    is.list,
    lapply(list(environment(formula), caller), \(env) {
      tryCatch(eval(expr, env), error = \(e) NULL)
    })
  )
  unheld <- setdiff(missing, names(data))
  if (!is.null(data) && length(unheld) > 0) {
    abort_unheld(expr, unheld)
  }
  abort_rlmm(
    c(
      "Can't find the data of the model.",
      x = if (!is.null(expr)) {
        paste0(tick(deparse_one(expr)), " doesn't exist any more.")
      },
      i = if (length(missing) > 0) {
        paste0(
          "The frame stored in the fit doesn't hold ",
          enumerate(tick(missing)),
          "."
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

#' Whether the changed arguments leave the design as it is, so that the stored frame is all that a new fit needs
#' @noRd
keeps_design <- function(fit, changed) UseMethod("keeps_design")

#' @export
keeps_design.rlmm_lmm <- function(fit, changed) {
  all(changed %in% c("REML", "control", "start", "verbose", "sigma"))
}

#' @export
keeps_design.rlmm_glmm <- function(fit, changed) FALSE
