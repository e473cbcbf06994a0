# Arguments that are evaluated in the data: weights, offset, subset and others.

eval_extras <- function(extras, data, env) {
  if (length(extras) == 0L) {
    return(NULL)
  }
  values <- Map(
    function(quo, arg) eval_extra(quo, data, env, arg),
    extras,
    names(extras)
  )
  values <- drop_null(values)
  for (arg in names(values)) {
    check_extra(values[[arg]], arg, data)
  }
  values
}

# Evaluates an argument such as `weights` in the data, then where the argument was written, then in
# the formula's environment.
eval_extra <- function(quo, data, env, arg) {
  expr <- rlang::quo_get_expr(quo)
  if (!is.language(expr)) {
    return(expr)
  }
  if (is.environment(data)) {
    data <- as.list(data)
  }
  tryCatch(
    eval(expr, data, rlang::quo_get_env(quo)),
    error = function(cnd) {
      tryCatch(eval(expr, data, env), error = function(e) {
        abort_extra(expr, arg, cnd, data)
      })
    }
  )
}

check_extra <- function(x, arg, data) {
  n <- if (is.data.frame(data)) nrow(data)
  check_extra_type(x, arg, data)
  has_value_per_row <- arg != "subset" || is.logical(x)
  if (
    has_value_per_row && !is.null(n) && NROW(x) != n && !is_all_rows(x, arg)
  ) {
    abort_extra_length(arg, NROW(x), n)
  }
  if (arg == "weights") {
    check_weights(x)
  }
  if (arg == "subset" && !is.null(n)) check_subset(x, data)
}

# Whether the argument is `subset = TRUE`, which R's other model functions accept too.
is_all_rows <- function(x, arg) arg == "subset" && length(x) == 1L

# Checks the type: a subset may be row names, and an offset a matrix with one column.
check_extra_type <- function(x, arg, data) {
  if (arg == "dispersion") {
    return(check_strata(x))
  }
  is_subset <- arg == "subset"
  is_number <- is.numeric(x) && !inherits(x, "varFunc")
  is_right <- is_number || (is_subset && (is.logical(x) || is.character(x)))
  is_column <- arg == "offset" && NCOL(x) == 1L
  if (!is_right || !(length(dim(x)) <= 1L || is_column)) {
    abort_extra_type(x, arg, data)
  }
}

abort_extra_type <- function(x, arg, data) {
  want <- if (arg == "subset") "logical or numeric" else "numeric"
  problem <- sprintf("`%s` must be %s.", arg, want)
  abort_rlmm(
    c(problem, x = it_is(x), extra_hint(x, arg, data)),
    paste0("rlmm_error_", arg)
  )
}

abort_extra_length <- function(arg, found, n) {
  abort_rlmm(
    sprintf(
      "`%s` must have one value for each of the %s of `data`, not %s.",
      arg,
      plural(n, "row"),
      found
    ),
    paste0("rlmm_error_", arg)
  )
}

# The hint for a column's name in quotes or after a tilde, as other packages require.
extra_hint <- function(x, arg, data) {
  if (is.character(x) && length(x) == 1L && x %in% names(data)) {
    return(c(i = paste0("Write `", arg, " = ", x, "`, without quotes.")))
  }
  if (inherits(x, "formula") && length(x) == 2L) {
    written <- deparse_one(x[[2L]])
    return(c(
      i = paste0("Write `", arg, " = ", written, "`, without the tilde.")
    ))
  }
  if (inherits(x, "varFunc")) {
    c(
      i = "For residual variances that differ write `dispersion = ~x`, of factors."
    )
  }
}

check_subset <- function(x, data) {
  unknown <- if (is.character(x)) {
    setdiff(x, row.names(data))
  } else if (is.numeric(x)) {
    x[abs(x) > nrow(data)]
  }
  if (length(unknown) == 0L) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "`subset` must name rows of `data`.",
      x = paste0("There is no row ", enumerate(unknown, last = "or"), "."),
      i = if (is_condition(x, data)) {
        sprintf("Write `subset = %s`, without quotes.", x)
      }
    ),
    "rlmm_error_subset"
  )
}

# Whether a text is an expression in columns of the data.
is_condition <- function(x, data) {
  if (!is.character(x) || length(x) != 1L) {
    return(FALSE)
  }
  expr <- tryCatch(str2lang(x), error = \(cnd) NULL)
  is.call(expr) && any(all.vars(expr) %in% names(data))
}

check_weights <- function(w) {
  bad <- which(is.infinite(w) | (!is.na(w) & w < 0))
  if (length(bad) > 0L) {
    abort_weights(bad)
  }
  if (all(w == 0, na.rm = TRUE)) {
    abort_rlmm(
      "`weights` must not all be zero.",
      c("rlmm_error_weights", "rlmm_error_no_rows")
    )
  }
}

abort_weights <- function(bad) {
  verb <- if (length(bad) == 1L) "is" else "are"
  values <- plural(length(bad), "value")
  abort_rlmm(
    c(
      "`weights` must be finite and not negative.",
      x = sprintf("%s %s not, at %s.", values, verb, describe_rows(bad))
    ),
    "rlmm_error_weights",
    rows = bad
  )
}

abort_extra <- function(expr, arg, cnd, data) {
  abort_rlmm(
    c(
      paste0("Can't evaluate `", arg, "`."),
      x = conditionMessage(cnd),
      missing_hint(expr, data)
    ),
    c("rlmm_error_variable", paste0("rlmm_error_", arg))
  )
}

missing_hint <- function(expr, data) {
  unknown <- setdiff(all.vars(expr), names(data))
  if (length(unknown) > 0L) {
    did_you_mean(unknown[1], names(data))
  }
}
