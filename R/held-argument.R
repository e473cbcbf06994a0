# The argument `rlmm_control(fixed = )`: checks of its form, and the held parameters that a model
# with a changed formula still has.

#' Checks the form of `fixed`; whether the model has such parameters is checked later
#' @return The argument; `NULL` if nothing is held.
#' @noRd
check_held <- function(held) {
  if (!is.list(held) && !is.null(held)) {
    abort_held(it_is(held))
  }
  check_held_names(held)
  held <- held[lengths(held) > 0L]
  Map(check_held_element, names(held), held)
  if (length(held) > 0L) held
}

check_held_names <- function(held) {
  if (length(held) > 0L && !is_named_once(held)) {
    abort_held("Its elements don't have a name each.")
  }
  unknown <- setdiff(names(held), c("theta", "beta", "sigma", "cov"))
  if (length(unknown) > 0L) {
    abort_held(paste0("It has an element ", tick(unknown[1L]), "."))
  }
}

check_held_element <- function(name, x) {
  problem <- held_problem(name, x)
  if (!is.null(problem)) {
    abort_held(sprintf("Its element %s %s.", tick(name), problem))
  }
}

#' A description of the problem of an element of `fixed`, or `NULL`
#' @noRd
held_problem <- function(name, x) {
  if (name == "sigma") {
    is_good <- is_number(x) && x > 0 && x < Inf
    return(if (!is_good) paste("is", describe_type(x)))
  }
  if (name == "cov") {
    values_problem(x, is_plain_list(x), is.numeric)
  } else {
    values_problem(x, is_numbers(x), is.finite)
  }
}

# A description of the problem of named values, or `NULL`.
values_problem <- function(x, is_right_kind, is_right) {
  if (!is_right_kind) {
    return(paste("is", describe_type(x)))
  }
  if (!is_named_once(x)) {
    return("doesn't have a name for each of its values, once")
  }
  is_good <- vapply(x, is_right, NA)
  bad <- which(!is_good)[1L]
  if (!is.na(bad)) {
    type <- describe_type(x[[bad]])
    paste("holds", type, "for", in_quotes(names(x)[bad]))
  }
}

is_plain_list <- function(x) is.list(x) && !is.data.frame(x)

is_numbers <- function(x) is.numeric(x) || is_missing(x)

is_missing <- function(x) is.logical(x) && all(is.na(x))

is_named_once <- function(x) {
  names <- names(x)
  length(x) > 0L &&
    !is.null(names) &&
    all(nzchar(names)) &&
    !anyNA(names) &&
    !anyDuplicated(names)
}

abort_held <- function(found) {
  abort_control(
    "`fixed` must be a list of parameters to hold: `theta`, `beta`, `sigma`, `cov`.",
    found,
    c(
      i = paste(
        "`theta` and `beta` are named vectors, `sigma` is a positive number,",
        "`cov` a named list of matrices."
      ),
      i = "For example `fixed = list(beta = c(Days = 10), cov = list(\"1 | Subject\" = 1300))`."
    ),
    arg = "fixed"
  )
}

# A changed formula -----------------------------------------------------------

#' The control of a fit for a model with a changed formula, which may lack held parameters
#'
#' Covariances are named by terms, so that another term of the same grouping factor isn't confused
#' with them.
#' @noRd
lenient_control <- function(fit) {
  control <- fit$control
  label <- \(name) {
    term <- find_term(name, fit$random)
    fit$random[[term]]$label
  }
  if (!is.null(control$fixed$cov)) {
    given <- names(control$fixed$cov)
    names(control$fixed$cov) <- vapply(given, label, "")
  }
  control$lenient <- TRUE
  control
}

#' Drops held parameters that the model lacks, if the control comes from another model
#' @param fixed,random The fixed part and the random-effects terms.
#' @noRd
drop_lost_held <- function(control, fixed, random) {
  if (!isTRUE(control$lenient)) {
    return(control)
  }
  known <- list(
    beta = fixed$names,
    theta = theta_names(random),
    cov = vapply(random, `[[`, "", "label")
  )
  held <- held_of_model(control$fixed, known)
  control["fixed"] <- list(check_held(held))
  control$lenient <- NULL
  control
}

# The held parameters that the model has, with a message about the others.
held_of_model <- function(held, known) {
  parts <- intersect(names(held), names(known))
  kept <- Map(elements_named, held[parts], known[parts])
  lost <- Map(lost_names, held[parts], kept)
  inform_lost(unlist(lost, use.names = FALSE))
  held[parts] <- kept
  held
}

elements_named <- function(x, names) x[names(x) %in% names]

lost_names <- function(x, kept) {
  setdiff(names(x), names(kept))
}

inform_lost <- function(lost) {
  if (length(lost) == 0L) {
    return(invisible())
  }
  inform_rlmm(
    sprintf(
      "No longer held, as the model doesn't have it any more: %s.",
      enumerate(tick(lost), max = 10L)
    ),
    "rlmm_message_held",
    lost = lost
  )
}
