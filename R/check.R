# Checks of the arguments of the fitting functions.

check_data <- function(data) {
  ok <- is.null(data) ||
    is.data.frame(data) ||
    is.environment(data) ||
    (is.list(data) &&
      !is.object(data) &&
      (length(data) == 0L || !is.null(names(data))))
  if (ok) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`data` must be a data frame, a list, or an environment.",
      x = paste0("It is ", describe_type(data), "."),
      if (is.matrix(data) || is.object(data)) c(i = "Use `as.data.frame()`?")
    ),
    "rlmm_error_argument",
    arg = "data"
  )
}

#' Arguments that the fitting function doesn't have
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
  found <- if (nzchar(names[1])) tick(names[1]) else "an unnamed argument"
  abort_rlmm(
    c(
      paste0("`", fitter, "()` was given an argument that it doesn't have."),
      x = paste0("It is ", found, "."),
      if (nzchar(names[1])) {
        did_you_mean(names[1], setdiff(known, "..."))
      }
    ),
    "rlmm_error_unknown_argument",
    arg = names[1]
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

#' Theta to start from, in the order of the model
#' @noRd
check_start <- function(start, random) {
  if (is.null(start)) {
    return(NULL)
  }
  if (is.list(start)) {
    unknown <- setdiff(names(start), "theta")
    if (length(unknown) > 0L || is.null(start$theta)) {
      abort_rlmm(
        c(
          "`start` must be a numeric vector or a list with the element `theta`.",
          if (length(unknown) > 0L) {
            c(x = paste0("It has the element ", enumerate(tick(unknown)), "."))
          }
        ),
        "rlmm_error_start"
      )
    }
    start <- start$theta
  }
  if (!is.numeric(start)) {
    abort_rlmm(
      c(
        "`start` must be numeric.",
        x = paste0("It is ", describe_type(start), ".")
      ),
      "rlmm_error_start"
    )
  }
  names <- theta_names(random)
  if (length(start) != length(names)) {
    abort_rlmm(
      c(
        paste0(
          "`start` must hold ",
          plural(length(names), "value"),
          " of theta, not ",
          length(start),
          "."
        ),
        i = paste0(
          "In order: ",
          enumerate(paste0("\"", names, "\""), max = 10L),
          "."
        )
      ),
      "rlmm_error_start",
      expected = names
    )
  }
  if (!all(is.finite(start))) {
    abort_rlmm(
      c(
        "`start` must hold finite numbers.",
        x = paste0(
          "Not finite: element ",
          enumerate(which(!is.finite(start))),
          "."
        )
      ),
      "rlmm_error_start"
    )
  }
  as.double(start)
}
