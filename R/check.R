# Checks of the arguments of the fitting functions.

check_data <- function(data) {
  if (is.null(data) || is.environment(data) || is_table(data)) {
    return(invisible())
  }
  abort_argument(
    "`data` must be a data frame, a list, or an environment.",
    x = it_is(data),
    if (is.matrix(data) || is.object(data)) c(i = "Use `as.data.frame()`?"),
    arg = "data"
  )
}

# A data frame, or a plain list with names.
is_table <- function(data) {
  has_names <- length(data) == 0L || !is.null(names(data))
  is.data.frame(data) || (is.list(data) && !is.object(data) && has_names)
}

#' Refuse arguments that the fitting function doesn't have
#' @param fitter,known The function's name, and the names of the arguments that it has.
#' @noRd
check_dots <- function(..., fitter, known) {
  if (...length() == 0L) {
    return(invisible())
  }
  names <- ...names() %||% character(...length())
  names[is.na(names)] <- ""
  if ("family" %in% names && fitter == "rlmm") {
    check_family(list(...)[[match("family", names)]])
    names <- setdiff(names, "family")
    if (length(names) == 0L) return(invisible())
  }
  abort_unknown_argument(names[1], fitter, known)
}

abort_unknown_argument <- function(name, fitter, known) {
  is_named <- nzchar(name)
  found <- if (is_named) tick(name) else "an unnamed argument"
  abort_rlmm(
    c(
      sprintf("`%s()` was given an argument that it doesn't have.", fitter),
      x = paste0("It is ", found, "."),
      if (is_named) did_you_mean(name, setdiff(known, "..."))
    ),
    "rlmm_error_unknown_argument",
    arg = name
  )
}

check_family <- function(family) {
  if (is.function(family)) {
    family <- family()
  }
  name <- if (inherits(family, "family")) {
    family$family
  } else {
    as.character(family)[1]
  }
  link <- if (inherits(family, "family")) family$link else "identity"
  if (identical(name, "gaussian") && identical(link, "identity")) {
    return(inform_rlmm(
      "`family` is ignored: `rlmm()` always fits a linear model.",
      "rlmm_message_family"
    ))
  }
  abort_rlmm(
    c(
      "`rlmm()` fits linear models only.",
      x = paste0("`family` is ", name, "."),
      i = "Use `rglmm()`?"
    ),
    "rlmm_error_family"
  )
}

#' Check theta to start from
#' @return Numbers in the order of the model's theta, or `NULL`.
#' @noRd
check_start <- function(start, random) {
  if (is.null(start)) {
    return(NULL)
  }
  if (is.list(start)) {
    start <- start_element(start)
  }
  if (!is.numeric(start)) {
    abort_rlmm(
      c("`start` must be numeric.", x = it_is(start)),
      "rlmm_error_start"
    )
  }
  check_start_length(start, theta_names(random))
  check_start_finite(start)
  as.double(start)
}

# Theta out of a list, which must hold nothing else.
start_element <- function(start) {
  unknown <- setdiff(names(start), "theta")
  if (length(unknown) == 0L && !is.null(start$theta)) {
    return(start$theta)
  }
  abort_rlmm(
    c(
      "`start` must be a numeric vector or a list with the element `theta`.",
      if (length(unknown) > 0L) {
        c(x = sprintf("It has the element %s.", enumerate(tick(unknown))))
      }
    ),
    "rlmm_error_start"
  )
}

check_start_length <- function(start, names) {
  if (length(start) == length(names)) {
    return(invisible())
  }
  values <- plural(length(names), "value")
  quoted <- enumerate(paste0("\"", names, "\""), max = 10L)
  abort_rlmm(
    c(
      sprintf("`start` must hold %s of theta, not %s.", values, length(start)),
      i = paste0("In order: ", quoted, ".")
    ),
    "rlmm_error_start",
    expected = names
  )
}

check_start_finite <- function(start) {
  bad <- which(!is.finite(start))
  if (length(bad) == 0L) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`start` must hold finite numbers.",
      x = sprintf("Not finite: element %s.", enumerate(bad))
    ),
    "rlmm_error_start"
  )
}
