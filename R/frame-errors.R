# What goes wrong while the variables of a formula are evaluated, said in the words of the formula.

#' Evaluate a step of building the frame, and translate R's error if it fails
#' @noRd
call_frame_step <- function(expr, terms = NULL, data = NULL) {
  tryCatch(expr, error = function(cnd) abort_frame(cnd, terms, data))
}

abort_frame <- function(cnd, terms, data) {
  if (inherits(cnd, "rlmm_error")) rlang::cnd_signal(cnd)
  if (!is.null(terms)) {
    abort_if_unknown(terms, data)
    abort_if_lengths_differ(terms, data)
  }
  abort_rlmm("Can't evaluate the variables of `formula`.", "rlmm_error_variable", parent = cnd)
}

abort_if_unknown <- function(terms, data) {
  env <- environment(terms)
  for (variable in as.list(attr(terms, "variables"))[-1L]) {
    for (name in all.vars(variable)) {
      if (!is_known(name, data, env)) abort_unknown(name, data)
    }
  }
}

is_known <- function(name, data, env) {
  if (is.environment(data)) env <- data
  if (!is.environment(data) && name %in% names(data)) return(!is.null(data[[name]]))
  value <- get0(name, envir = env)
  !is.null(value) && !is.function(value)
}

abort_unknown <- function(name, data) {
  where <- if (is.null(data) || is.environment(data)) "where the formula was written" else "in `data`"
  abort_rlmm(
    c(paste0("Can't find the variable ", tick(name), " of `formula` ", where, "."),
      did_you_mean(name, if (is.environment(data)) ls(data) else names(data))),
    "rlmm_error_variable", variable = name
  )
}

abort_if_lengths_differ <- function(terms, data) {
  variables <- as.list(attr(terms, "variables"))[-1L]
  sizes <- vapply(variables, function(v) NROW(eval(v, data, environment(terms))), 1L)
  if (length(unique(sizes)) <= 1L) return(invisible())
  names <- vapply(variables, deparse_one, "")
  abort_rlmm(
    c("The variables of `formula` must all have the same length.",
      x = paste0(enumerate(paste0(tick(names), " has ", sizes)), ".")),
    "rlmm_error_variable"
  )
}
