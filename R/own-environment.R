# The environment of a fit's formulas, without unrelated objects of the function that called for the
# fit, which would be saved with it.

#' Gives a design its own environment, if that of its formula is a function's
#'
#' A formula written in a function keeps all objects of that function alive. The fit keeps those
#' that its formula and call name, so that both can be evaluated as before, and permanent
#' environments: the global one and packages. A slim fit doesn't keep the data.
#' @param call The call of the fit.
#' @noRd
with_own_environment <- function(design, call) {
  if (is_lasting(environment(design$formula))) {
    return(design)
  }
  if (design$control$slim) {
    call$data <- NULL
  }
  own <- own_environment(design$formula, call, names(design$frame))
  with_environment(design, own)
}

#' A formula with an environment of its own, for fits that are made of several designs
#' @noRd
in_own_environment <- function(formula, call, data) {
  env <- environment(formula)
  if (inherits(formula, "formula") && is.environment(env) && !is_lasting(env)) {
    columns <- if (is.data.frame(data)) names(data)
    environment(formula) <- own_environment(formula, call, columns)
  }
  formula
}

# A copy of a formula's environment with the objects that the formula and the call name, but for
# those that columns of the data stand for.
own_environment <- function(formula, call, columns) {
  env <- environment(formula)
  in_formula <- all.names(formula)
  named <- setdiff(c(in_formula, all.names(call)), columns)
  own <- reduced_environment(env_with_dummy(env, in_formula), named)
  # An attribute would be printed with each formula.
  own[[name_of_origin]] <- rlang::obj_address(env)
  own
}

# The object of an environment of a fit with the address of the one that it was copied from.
name_of_origin <- ".rlmm_made_in"

#' A call that holds formulas themselves, as one made by `do.call()` or `update()` does, in the
#' environment of the fit
#' @param from,to The environment of the formula as given, and that of the fit.
#' @noRd
with_call_moved <- function(call, from, to) {
  if (identical(from, to)) {
    return(call)
  }
  for (i in which(vapply(as.list(call), inherits, NA, "formula"))) {
    if (identical(environment(call[[i]]), from)) {
      environment(call[[i]]) <- to
    }
  }
  call
}

# Sets the environment of all formulas and terms of a design.
with_environment <- function(design, env) {
  environment(design$formula) <- env
  if (!is.null(design$frame)) {
    attr(attr(design$frame, "terms"), ".Environment") <- env
  }
  attr(design$fixed$terms, ".Environment") <- env
  for (i in seq_along(design$random)) {
    attr(design$random[[i]]$effects, ".Environment") <- env
  }
  design
}

#' The environment in which a changed formula of a fit is evaluated: that of the fit's call, if the
#' change is requested from there, as objects may have changed since; otherwise the one that the fit
#' keeps
#' @noRd
living_environment <- function(fit, caller) {
  kept <- environment(fit$formula)
  made_in <- get0(name_of_origin, kept, inherits = FALSE)
  if (identical(made_in, rlang::obj_address(caller))) caller else kept
}

# Whether an environment is permanent: it has a name.
is_lasting <- function(env) nzchar(environmentName(env))

#' A copy of an environment, and of its temporary parents, with some of their objects
#'
#' Functions and formulas made there, also in lists, are copied with the objects that they name, as
#' their environment would keep all others alive.
#' @noRd
reduced_environment <- function(env, wanted) {
  frames <- passing_frames(env)
  reduced <- new.env(parent = parent.env(frames[[length(frames)]]))
  there <- unlist(lapply(frames, names), use.names = FALSE)
  wanted <- there[match(there, wanted, 0L) > 0L]
  while (length(wanted) > 0L) {
    name <- wanted[[1L]]
    wanted <- wanted[-1L]
    value <- passing_object(name, frames)
    known <- ls(reduced, all.names = TRUE)
    wanted <- union(wanted, setdiff(names_made_in(value, frames), known))
    value <- moved_to(reduced, value, frames)
    if (!is.null(value)) {
      assign(name, value, envir = reduced)
    }
  }
  reduced
}

# The names in functions and formulas whose environment is one of the frames.
names_made_in <- function(value, frames) {
  if (is_bare_list(value)) {
    unlist(lapply(value, names_made_in, frames))
  } else if (!is_made_in(value, frames)) {
    NULL
  } else if (is.function(value)) {
    of_defaults <- lapply(formals(value), all.names)
    c(all.names(body(value)), unlist(of_defaults))
  } else {
    all.names(value)
  }
}

# Replaces the frames by another environment in the functions and formulas of a value.
moved_to <- function(env, value, frames) {
  if (is_bare_list(value)) {
    return(lapply(value, \(element) moved_to(env, element, frames)))
  }
  if (is_made_in(value, frames)) {
    value <- if (is.function(value)) without_source(value) else value
    environment(value) <- env
  }
  value
}

# A function without its source reference, with its class, as that of `selfStart()`.
without_source <- function(f) {
  kept <- attributes(f)
  f <- utils::removeSource(f)
  attributes(f) <- kept[names(kept) != "srcref"]
  f
}

is_bare_list <- function(value) is.list(value) && !is.object(value)

passing_frames <- function(env) {
  frames <- list()
  while (!is_lasting(env) && !identical(env, emptyenv())) {
    frames <- c(frames, list(env))
    env <- parent.env(env)
  }
  frames
}

# The object of a name in the first frame that has it; `NULL` if none does, or for a missing
# argument.
passing_object <- function(name, frames) {
  for (frame in frames) {
    if (exists(name, envir = frame, inherits = FALSE)) {
      return(tryCatch(get(name, envir = frame), error = \(cnd) NULL))
    }
  }
}

is_made_in <- function(value, frames) {
  is_formula <- inherits(value, "formula")
  (is_formula || is.function(value) && !is.primitive(value)) &&
    any(vapply(frames, identical, NA, environment(value)))
}
