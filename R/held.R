# Elements of theta that are held at given values: `rlmm_control(fixed = list(theta = ))`.

#' Check the shape of `fixed`; whether the model has such parameters is checked when it is known
#' @noRd
check_fixed <- function(fixed) {
  if (is.null(fixed)) return(NULL)
  theta <- if (is.list(fixed)) fixed$theta
  is_good <- identical(names(fixed), "theta") && is.numeric(theta) && length(theta) > 0L && all(is.finite(theta)) &&
    !is.null(names(theta)) && !anyDuplicated(names(theta))
  if (is_good) return(list(theta = theta))
  abort_control(
    "`fixed` must be a list with the element `theta`, a named vector of finite numbers.",
    paste0("It is ", describe_type(fixed), "."),
    c(i = "For example `fixed = list(theta = c(\"Subject.(Intercept)\" = 0.9))`; `rlmm(sigma = )` holds sigma."),
    arg = "fixed"
  )
}

#' Indices of the held elements of theta
#' @noRd
held_theta <- function(control, random) {
  fixed <- control$fixed$theta
  if (is.null(fixed)) return(integer())
  known <- theta_names(random)
  index <- match(names(fixed), known)
  if (anyNA(index)) abort_fixed_name(names(fixed)[is.na(index)][1L], known)
  range <- do.call(rbind, lapply(random, theta_range))[index, , drop = FALSE]
  outside <- which(fixed < range[, "lower"] | fixed > range[, "upper"])
  if (length(outside) > 0L) abort_fixed_value(fixed[outside[1L]], range[outside[1L], ])
  index
}

abort_fixed_name <- function(name, known) {
  abort_rlmm(
    c("`fixed` must name parameters of the model.", x = paste0("There is no ", dQuote(name, FALSE), "."),
      i = paste0("They are ", enumerate(dQuote(known, FALSE), max = 10L), ".")),
    c("rlmm_error_fixed", "rlmm_error_argument"), arg = "fixed", name = name
  )
}

abort_fixed_value <- function(value, range) {
  abort_rlmm(
    c("A value in `fixed` must lie in the parameter space.",
      x = paste0(dQuote(names(value), FALSE), " is ", format(value[[1L]], digits = 4L), "."),
      i = paste0("It lies between ", format(range[[1L]], digits = 4L), " and ", format(range[[2L]], digits = 4L), ".")),
    c("rlmm_error_fixed", "rlmm_error_argument"), arg = "fixed"
  )
}

#' The start for the core, with the held elements at their values; `NULL` leaves it to the core
#' @noRd
core_start <- function(start, control, random) {
  held <- held_theta(control, random)
  if (length(held) == 0L) return(start)
  start <- start %||% as.double(theta_lower(random) == 0)
  replace(start, held, unname(control$fixed$theta))
}

n_held <- function(fit) length(fit$control$fixed$theta)
