# Errors, warnings and hints about arguments that a function doesn't have, so that no argument in
# the dots is silently ignored.
#
# Of several arguments whose names begin alike, at most one comes before the dots of a function:
# otherwise R itself would reject an abbreviation as ambiguous, without naming the candidates.
# Arguments after the dots have to be written in full; an abbreviation gets a hint here.

#' Raises an error about arguments in a method's dots
#'
#' A method calls it as `refuse_dots(...)`; the message has the name and arguments of the caller.
#' @param lme4_only Names of lme4's arguments that have no meaning here, which give a message
#'   instead.
#' @noRd
refuse_dots <- function(..., lme4_only = NULL) {
  if (...length() == 0L) {
    return(invisible())
  }
  frame <- parent.frame()
  is_lme4_only <- dots_names(...) %in% lme4_only
  names <- dots_names(...)[!is_lme4_only]
  if (length(names) == 0L) {
    return(inform_without_effect(...names()))
  }
  method <- sys.function(sys.parent())
  abort_unknown_argument(
    method_name(frame, sys.call(sys.parent())),
    names[1L],
    suggestion(names[1L], known_arguments(method)) %||%
      name_hint(names[1L], method)
  )
}

# The hint for an argument without a name: those behind the dots of a method need theirs.
name_hint <- function(name, method) {
  arguments <- names(formals(method))
  behind <- arguments[seq_along(arguments) > match("...", arguments)]
  if (!nzchar(name) && length(behind) > 0L) {
    c(i = sprintf("These need their names: %s.", enumerate(tick(behind))))
  }
}

#' Raises an error about elements of a method's dots that are not fits
#'
#' Any object with a class may have a `logLik()` method; `logLik()` itself raises the error if not.
#' @param known The names of the method's other arguments.
#' @noRd
refuse_no_fits <- function(..., known = character()) {
  is_plain <- !vapply(list(...), is.object, NA)
  if (any(is_plain)) {
    name <- dots_names(...)[is_plain][1L]
    fun <- method_name(parent.frame(), sys.call(sys.parent()))
    hint <- suggestion(name, known) %||% c(i = "Further fits may stand there.")
    abort_unknown_argument(fun, name, hint)
  }
}

inform_without_effect <- function(names) {
  inform_rlmm(
    sprintf("Arguments without effect here: %s.", enumerate(tick(names))),
    "rlmm_message_without_effect",
    arguments = names
  )
}

#' Warns about arguments in a method's dots, for methods where R's own accept anything
#'
#' An abbreviated name of an argument after the dots is an error, as that argument is meant.
#' @param also Further names that the method accepts.
#' @noRd
warn_of_dots <- function(..., also = character()) {
  names <- if (...length() > 0L) dots_names(...)
  unknown <- names[!names %in% also]
  if (length(unknown) == 0L) {
    return(invisible())
  }
  known <- known_arguments(sys.function(sys.parent()))
  is_begun <- vapply(unknown, \(name) abbreviates(name, known), NA)
  if (any(is_begun)) {
    name <- unknown[is_begun][1L]
    fun <- method_name(parent.frame(), sys.call(sys.parent()))
    abort_unknown_argument(fun, name, suggestion(name, known))
  }
  warn_unused(unknown, suggestion(unknown[1L], known))
}

warn_unused <- function(unknown, hint) {
  labels <- ifelse(nzchar(unknown), tick(unknown), "an unnamed one")
  named <- enumerate(unique(labels))
  warn_rlmm(
    c(sprintf("Arguments that are not used: %s.", named), hint),
    "rlmm_warning_unused_argument",
    arguments = unknown
  )
}

# Arguments that `data.frame()` passes to the method of every column.
data_frame_arguments <- c(
  "row.names",
  "optional",
  "stringsAsFactors",
  "make.names",
  "nm"
)

abbreviates <- function(name, known) {
  nzchar(name) && any(startsWith(known, name))
}

dots_names <- function(...) {
  names <- ...names() %||% character(...length())
  names[is.na(names)] <- ""
  names
}

# The arguments of a method that a user may mean; the first one is never meant by another name.
known_arguments <- function(method) {
  setdiff(names(formals(method))[-1L], "...")
}

#' The name of the generic of a method's frame, or of the method if it was called by its own name;
#' `NULL` if the function has no name
#' @noRd
method_name <- function(frame, call) {
  generic <- get0(".Generic", envir = frame, inherits = FALSE)
  if (!is.null(generic)) {
    return(generic)
  }
  if (!is.symbol(call[[1L]])) {
    return(NULL)
  }
  sub("[.](summary[.])?rlmm(_[A-Za-z]+)?$", "", as.character(call[[1L]]))
}

suggestion <- function(name, known) {
  if (name == "level" && !name %in% known) {
    return(c(i = level_hint))
  }
  if (!nzchar(name) || length(known) == 0L) {
    return(NULL)
  }
  hint <- method_arguments_elsewhere[name]
  if (!is.na(hint) && hint %in% known) {
    return(c(i = sprintf("Did you mean %s?", tick(hint))))
  }
  did_you_mean(name, known) %||%
    c(i = sprintf("It knows %s.", enumerate(tick(known), max = 10L)))
}

level_hint <- paste(
  "nlme's `level` is `re.form` here:",
  "`predict(fit, re.form = NA)` has the fixed effects alone."
)

# The names in this package of arguments that methods of other packages have.
method_arguments_elsewhere <- c(
  re_formula = "re.form",
  ReForm = "re.form",
  REform = "re.form",
  allow_new_levels = "allow.new.levels",
  ndraws = "nsim",
  nsim = "n"
)

abort_unknown_argument <- function(fun, name, hint = NULL) {
  found <- if (nzchar(name)) tick(name) else "an unnamed argument"
  who <- if (is.null(fun)) "The function" else paste0("`", fun, "()`")
  abort_rlmm(
    c(
      paste(who, "was given an argument that it doesn't have."),
      x = paste0("It is ", found, "."),
      hint
    ),
    "rlmm_error_unknown_argument",
    arg = name
  )
}

# The fitting functions -----------------------------------------------------

#' Raises an error about arguments that the fitting function doesn't have
#'
#' The message for an argument of another package shows its equivalent here.
#' @param fitter,known The name of the function and the names of its arguments.
#' @noRd
check_dots <- function(..., fitter, known) {
  if (...length() == 0L) {
    return(invisible())
  }
  names <- dots_names(...)
  if ("family" %in% names && startsWith(fitter, "rlmm")) {
    check_family(list(...)[[match("family", names)]])
    names <- setdiff(names, "family")
    if (length(names) == 0L) return(invisible())
  }
  name <- names[1L]
  exprs <- as.list(substitute(list(...)))[-1L]
  expr <- exprs[[match(name, names(exprs), 1L)]]
  hint <- foreign_hint(name, expr, fitter)
  abort_unknown_argument(
    fitter,
    name,
    hint %||% if (nzchar(name)) did_you_mean(name, setdiff(known, "..."))
  )
}

#' The hint for an argument of another package
#' @param expr The expression that was given.
#' @noRd
foreign_hint <- function(name, expr, fitter) {
  hint <- switch(
    name,
    dispformula = dispersion_hint(expr, fitter),
    random = random_hint(expr),
    group = ,
    groups = group_hint(expr),
    method = method_hint(expr, sub("_many", "", fitter)),
    link = if (fitter == "rglmm") link_argument_hint(expr),
    maxfun = ,
    maxeval = ,
    maxit = control_line("max_eval", expr),
    hint_elsewhere(name) %||%
      sides_hint(name, expr) %||%
      control_argument_hint(name, expr)
  )
  if (!is.null(hint)) c(i = hint)
}

# The hint for an argument of rlmm_control() that was given to the fitting function.
control_argument_hint <- function(name, expr) {
  if (name %in% names(formals(rlmm_control))) control_line(name, expr)
}

control_line <- function(name, expr) {
  sprintf(
    "Write `control = rlmm_control(%s = %s)`.",
    name,
    short_deparse(expr)
  )
}

link_argument_hint <- function(expr) {
  paste0(
    "A link stands in the family: `family = binomial(link = ",
    short_deparse(expr),
    ")`, for one."
  )
}

# The hint for a formula with an equals sign in place of the tilde.
sides_hint <- function(name, expr) {
  if (nzchar(name) && is.call(expr) && "|" %in% all.names(expr)) {
    sprintf("A formula has a tilde: `%s ~ %s`.", name, short_deparse(expr))
  }
}

dispersion_hint <- function(expr, fitter) {
  if (fitter == "rlmm") {
    return(paste0(
      "Write `dispersion = ",
      short_deparse(expr),
      "`, of factors."
    ))
  }
  paste(
    "Models of zeros and of the dispersion aren't available;",
    "`glmmTMB::glmmTMB()` has them."
  )
}

# The hint for `random = ~ x | g` and `random = list(g = ~ x)` of nlme: the equivalent term of the
# formula.
random_hint <- function(expr) {
  is_list <- call_name(expr) == "list" && length(names(expr)) == 2L
  inner <- without_tilde(if (is_list) expr[[2L]] else expr)
  term <- if (is_list) {
    sprintf("(%s | %s)", short_deparse(inner), names(expr)[2L])
  } else if (call_name(inner) == "|") {
    paste0("(", short_deparse(inner), ")")
  } else {
    "(1 | group)"
  }
  paste0("Random effects stand in `formula`: add ", tick(term), " to it.")
}

# The right side of a one-sided formula; any other expression as it is.
without_tilde <- function(expr) {
  if (call_name(expr) == "~" && length(expr) == 2L) expr[[2L]] else expr
}

group_hint <- function(expr) {
  expr <- without_tilde(expr)
  group <- if (is.character(expr)) expr[1L] else short_deparse(expr)
  paste0(
    "Grouping factors stand in `formula`: add ",
    tick(paste0("(1 | ", group, ")")),
    " to it."
  )
}

method_hint <- function(expr, fitter) {
  if (fitter != "rlmm") {
    return(paste0(always_ml, "leave `method` out."))
  }
  reml <- identical(toupper(as.character(expr)[1L]), "REML")
  paste0("Write `REML = ", reml, "`.")
}
