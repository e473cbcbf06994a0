# The environment that a fit keeps with its formulas: without the other objects of the function that
# made the fit, which would be saved with it.

#' The design with an environment of its own, where the formula's is one that would pass
#'
#' A formula that is written in a function holds on to all objects of that function. The fit keeps
#' those that its formula and its call name, so that both can be evaluated as before, and what lasts
#' anyway: the global environment, packages. A slim fit doesn't keep the data.
#' @param call The call that made the fit.
#' @noRd
with_own_environment <- function(design, call) {
  env <- environment(design$formula)
  if (is_lasting(env)) {
    return(design)
  }
  if (design$control$slim) {
    call$data <- NULL
  }
  in_formula <- all.names(design$formula)
  named <- c(in_formula, all.names(call))
  is_column <- match(named, names(design$frame), 0L) > 0L
  own <- reduced_environment(env_with_dummy(env, in_formula), named[!is_column])
  attr(own, "made_in") <- rlang::obj_address(env)
  with_environment(design, own)
}

# The design, all of whose formulas and terms have the environment.
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

#' The environment to evaluate a changed formula of a fit in: where the fit was made, if the change
#' is asked for there, as objects may have come or changed since; otherwise the one that the fit
#' keeps
#' @noRd
living_environment <- function(fit, caller) {
  kept <- environment(fit$formula)
  made_in <- attr(kept, "made_in", exact = TRUE)
  if (identical(made_in, rlang::obj_address(caller))) caller else kept
}

# Whether an environment exists for longer than a call: it has a name.
is_lasting <- function(env) nzchar(environmentName(env))

#' A copy of an environment, and of those around it that pass, that has some of their objects
#'
#' Functions and formulas that were made there, in lists too, are copied with what they name, as
#' their environment would bring all of it back.
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

# The names in functions and formulas that were made in the frames.
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

# A value whose functions and formulas have the environment in place of one of the frames.
moved_to <- function(env, value, frames) {
  if (is_bare_list(value)) {
    return(lapply(value, \(element) moved_to(env, element, frames)))
  }
  if (is_made_in(value, frames)) {
    value <- if (is.function(value)) utils::removeSource(value) else value
    environment(value) <- env
  }
  value
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

# The object that a name has in the first frame that holds it; `NULL` if none does, and for an
# argument that wasn't given.
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
