# Functions of expressions in formulas.

mentions <- function(expr, name) name %in% all.names(expr)

call_name <- function(expr) {
  if (is.call(expr) && is.symbol(expr[[1L]])) {
    as.character(expr[[1L]])
  } else {
    ""
  }
}

# The name of the function in a call, also of `lme4::cs(x | g)`.
structure_name <- function(expr) {
  is_qualified <- is.call(expr) && call_name(expr[[1L]]) %in% c("::", ":::")
  if (is_qualified) {
    as.character(expr[[1L]][[3L]])
  } else {
    call_name(expr)
  }
}

strip_parens <- function(expr) {
  while (call_name(expr) == "(") {
    expr <- expr[[2L]]
  }
  expr
}

deparse_one <- function(expr) {
  if (is.symbol(expr)) {
    return(as.character(expr))
  }
  if (identical(expr, 1)) {
    "1"
  } else {
    paste(deparse(expr, 500L, backtick = TRUE), collapse = " ")
  }
}

# Deparses in one line and shortens: data given literally, or by do.call(), would fill the screen.
short_deparse <- function(expr) {
  if (!is.language(expr) && length(expr) > 1) {
    return(paste0("<", class(expr)[1], ">"))
  }
  text <- deparse(expr, nlines = 2L)
  if (length(text) > 1 || nchar(text[1]) > 60) {
    paste(substr(text[1], 1, 60), "...")
  } else {
    text
  }
}

abort_formula <- function(..., class = NULL) {
  abort_rlmm(c(...), c(class, "rlmm_error_formula"))
}

# The data that `.` in a formula stands for: the columns of a data frame or list.
dot_data <- function(data) {
  if (is.data.frame(data)) {
    return(data)
  }
  if (is.list(data)) {
    is_as_long <- lengths(data) == length(data[[1L]])
    as.data.frame(data[is_as_long], optional = TRUE)
  }
}

# The names of a terms object's variables as columns of a model frame.
variable_names <- function(terms) {
  variables <- attr(terms, "variables")
  names <- character(length(variables) - 1L)
  for (i in seq_along(names)) {
    variable <- variables[[i + 1L]]
    is_name <- is.symbol(variable)
    names[i] <- if (is_name) as.character(variable) else deparse_one(variable)
  }
  names
}

# The names of variables, if all are bare names.
symbol_names <- function(expressions) {
  names <- character(length(expressions))
  for (i in seq_along(expressions)) {
    if (!is.symbol(expressions[[i]])) {
      return(NULL)
    }
    names[i] <- as.character(expressions[[i]])
  }
  names
}

# The label of a term as the user wrote it, with nested groups expanded.
bar_label <- function(bar, group) {
  paste(deparse_one(bar$effects), "|", group$name)
}

#' Removes `fulldummy()` from the effects of a term
#'
#' `fulldummy(f)` is f with the identity as contrast matrix: indicators of all levels in addition to
#' the intercept.
#' @return A list: `expr`, and `variables`, the names of the variables inside `fulldummy()`.
#' @noRd
unwrap_fulldummy <- function(expr) {
  if (!is.call(expr) || !mentions(expr, "fulldummy")) {
    return(list(expr = expr))
  }
  if (call_name(expr) == "fulldummy" && length(expr) == 2L) {
    return(list(
      expr = expr[[2L]],
      variables = deparse_one(expr[[2L]])
    ))
  }
  inner <- lapply(as.list(expr)[-1L], unwrap_fulldummy)
  expr[-1L] <- lapply(inner, `[[`, "expr")
  list(
    expr = expr,
    variables = unlist(lapply(inner, `[[`, "variables"))
  )
}

# A label of a product that doesn't depend on the order of its factors.
sorted_factors <- function(names) {
  vapply(
    strsplit(as.character(names), ":", fixed = TRUE),
    \(factors) paste(sort(factors), collapse = ":"),
    ""
  )
}

#' Quosures of the arguments of a function that are given, for evaluation in the data
#' @param matched The matched call, if it is available: it shows which arguments are missing.
#' @return A named list of quosures.
#' @noRd
given_expressions <- function(names, matched = NULL, frame = parent.frame()) {
  given <- list()
  if (!is.null(matched)) {
    names <- names[names %in% names(matched)]
  }
  for (name in names) {
    argument <- as.name(name)
    if (!eval(call("missing", argument), frame)) {
      enquo <- as.call(list(rlang::enquo, argument))
      given[[name]] <- eval(enquo, frame)
    }
  }
  given
}

# The variables of a term, as the terms object names them.
term_variables <- function(label, terms) {
  factors <- attr(terms, "factors")
  rownames(factors)[factors[, label] > 0]
}

# A variable name without the backticks of a terms object.
unquoted <- function(name) gsub("^`|`$", "", name)

# A name, or the label of a term, without any backticks.
plain_name <- function(name) gsub("`", "", name, fixed = TRUE)

# The classes of variables; the terms object stores them under names without backticks.
variable_classes <- function(variables, terms) {
  attr(terms, "dataClasses")[unquoted(variables)]
}

# Whether variables of a class are categorical, with columns for levels.
is_category_class <- function(class) {
  class %in% c("factor", "ordered", "character", "logical")
}
