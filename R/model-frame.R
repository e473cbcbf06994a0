# The model frame: every variable of the formula, evaluated once, with `(weights)` and `(offset)`.

#' Build the model frame
#' @param parsed What [parse_formula()] returns.
#' @param env The formula's environment.
#' @param extras Named list of quosures: `subset`, `weights`, `offset`; absent when the user gave none.
#' @param na_action A function, its name, or `NULL`.
#' @return A data frame without rows that `na_action` dropped, with the attributes `terms` (of all variables, with
#'   `predvars`) and `na.action`.
#' @noRd
build_frame <- function(parsed, env, data, extras, na_action) {
  terms <- frame_terms(parsed, env, data)
  extras <- eval_extras(extras, data, env)
  check_names(terms, data)
  frame <- eval_frame(terms, data, extras, parsed$bars)
  check_rows(frame, data, extras$subset)
  terms <- attr(frame, "terms")
  check_variables(frame)
  full <- frame
  frame <- apply_na_action(frame, na_action)
  if (nrow(frame) == 0L) {
    abort_all_missing(full)
  }
  check_complete(frame)
  frame <- drop_unused(frame)
  attr(frame, "terms") <- terms
  frame
}

# Terms of one formula with all variables: the fixed part, the effects and the grouping factors.
frame_terms <- function(parsed, env, data) {
  rhs <- parsed$fixed
  for (bar in parsed$bars) {
    if (is.language(bar$effects)) {
      rhs <- call("+", rhs, frame_effects(bar$effects))
    }
    for (group in bar$groups) {
      for (atom in group$atoms) {
        rhs <- call("+", rhs, atom)
      }
    }
  }
  formula <- rlang::new_formula(parsed$response, rhs, env = env)
  call_frame_step(stats::terms.formula(formula, data = dot_data(data)))
}

# In parentheses, because `- 1` among the effects must not take away a variable of the whole.
frame_effects <- function(effects) call("(", unwrap_fulldummy(effects)$expr)

#' The variables, before missing values are treated
#'
#' The extra vectors are put into the call as values: `model.frame()` would look for their names in the formula's
#' environment, which is not where `rlmm()` was called from.
#' @noRd
eval_frame <- function(terms, data, extras, bars) {
  if (is.null(extras)) {
    frame <- plain_frame(terms, data)
    if (!is.null(frame)) return(frame)
  }
  arguments <- list(
    formula = terms,
    data = data %||% environment(terms),
    na.action = stats::na.pass
  )
  call_frame_step(
    do.call(stats::model.frame.default, c(arguments, extras)),
    terms,
    data,
    bars
  )
}

# Where all variables are numbers and factors of a data frame, its columns are the model frame: what model.frame()
# makes of them, at a tenth of the cost.
plain_frame <- function(terms, data) {
  if (!is.data.frame(data)) {
    return(NULL)
  }
  variables <- attr(terms, "variables")
  names <- character(length(variables) - 1L)
  for (i in seq_along(names)) {
    if (!is.symbol(variables[[i + 1L]])) {
      return(NULL)
    }
    names[i] <- as.character(variables[[i + 1L]])
  }
  columns <- unclass(data)[names]
  for (x in columns) {
    if (!(is_plain_number(x) || (is.factor(x) && is.null(dim(x))))) return(NULL)
  }
  classes <- vapply(columns, stats::.MFclass, "")
  attr(terms, "predvars") <- variables
  attr(terms, "dataClasses") <- classes
  structure(
    columns,
    terms = terms,
    row.names = .row_names_info(data, 0L),
    class = "data.frame"
  )
}

check_names <- function(terms, data) {
  if (is.environment(data) || !anyDuplicated(names(data))) {
    return(invisible())
  }
  twice <- intersect(
    names(data)[duplicated(names(data))],
    all.vars(attr(terms, "variables"))
  )
  if (length(twice) == 0L) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "The variables of `formula` must have names that are unique in `data`.",
      x = paste0(
        "More than one column is called ",
        enumerate(tick(twice), last = "or"),
        "."
      )
    ),
    "rlmm_error_variable",
    variable = twice
  )
}

# Extras --------------------------------------------------------------------

eval_extras <- function(extras, data, env) {
  if (length(extras) == 0L) {
    return(NULL)
  }
  values <- Map(
    function(quo, arg) eval_extra(quo, data, env, arg),
    extras,
    names(extras)
  )
  values <- values[!vapply(values, is.null, NA)]
  for (arg in names(values)) {
    check_extra(values[[arg]], arg, data)
  }
  values
}

# Columns of the data first, then where the argument was written, then the formula's environment.
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
  type_ok <- is.numeric(x) ||
    (arg == "subset" && is.logical(x)) ||
    (arg == "subset" && is.character(x))
  if (!type_ok || (length(dim(x)) > 1L && (arg != "offset" || NCOL(x) != 1L))) {
    want <- if (arg == "subset") "logical or numeric" else "numeric"
    abort_rlmm(
      c(
        paste0("`", arg, "` must be ", want, "."),
        x = paste0("It is ", describe_type(x), ".")
      ),
      paste0("rlmm_error_", arg)
    )
  }
  same_length <- arg != "subset" || is.logical(x)
  if (same_length && !is.null(n) && NROW(x) != n) {
    abort_rlmm(
      paste0(
        "`",
        arg,
        "` must have one value for each of the ",
        plural(n, "row"),
        " of `data`, not ",
        NROW(x),
        "."
      ),
      paste0("rlmm_error_", arg)
    )
  }
  if (arg == "weights") {
    check_weights(x)
  }
  if (arg == "subset" && !is.null(n)) check_subset(x, data)
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
      x = paste0("There is no row ", enumerate(unknown, last = "or"), ".")
    ),
    "rlmm_error_subset"
  )
}

check_weights <- function(w) {
  bad <- which(is.nan(w) | is.infinite(w) | (!is.na(w) & w < 0))
  if (length(bad) > 0L) {
    abort_rlmm(
      c(
        "`weights` must be finite and not negative.",
        x = paste0(
          plural(length(bad), "value"),
          " ",
          if (length(bad) == 1L) "is" else "are",
          " not, at ",
          describe_rows(bad),
          "."
        )
      ),
      "rlmm_error_weights",
      rows = bad
    )
  }
  if (all(w == 0, na.rm = TRUE)) {
    abort_rlmm("`weights` must not all be zero.", "rlmm_error_weights")
  }
}

# Missing and infinite values -----------------------------------------------

apply_na_action <- function(frame, na_action) {
  action <- find_na_action(na_action)
  if (is.null(action) || !has_missing(frame)) {
    return(frame)
  }
  if (identical(action, stats::na.fail)) {
    abort_missing(frame)
  }
  action(frame)
}

has_missing <- function(frame) {
  for (x in unclass(frame)) {
    if (anyNA(x)) return(TRUE)
  }
  FALSE
}

find_na_action <- function(x) {
  if (is.null(x) || is.function(x)) {
    return(x)
  }
  if (is.character(x) && length(x) == 1L) {
    known <- c("na.omit", "na.exclude", "na.pass", "na.fail")
    if (x %in% substring(known, 4L)) {
      x <- paste0("na.", x)
    }
    if (x %in% known) {
      return(getExportedValue("stats", x))
    }
    found <- get0(x, mode = "function", envir = globalenv())
    if (!is.null(found)) return(found)
  }
  abort_rlmm(
    c(
      "`na.action` must be a function such as `na.omit`, or its name.",
      x = paste0("It is ", describe_type(x), ".")
    ),
    "rlmm_error_argument",
    arg = "na.action"
  )
}

# Before `na.action`.
check_variables <- function(frame) {
  columns <- unclass(frame)
  for (name in names(columns)) {
    x <- columns[[name]]
    if (!is.double(x)) {
      next
    }
    if (inherits(x, "integer64")) {
      check_bit64(name)
    }
    # NaN is not a missing value but a computation that went wrong (such as `log(-1)`): never dropped in silence.
    if (anyNA(x)) abort_if_any(is.nan(unclass(x)), name, "NaN")
  }
}

# Without bit64 the bits of such a number are read as those of another one.
check_bit64 <- function(name) {
  if (isNamespaceLoaded("bit64")) {
    return(invisible())
  }
  abort_rlmm(
    c(
      paste0("Can't read ", tick(name), "."),
      x = "It is of class \"integer64\", which needs the package bit64.",
      i = "Call `library(bit64)` first, or make it a double?"
    ),
    "rlmm_error_variable",
    variable = name
  )
}

# After `na.action`: nothing missing is left (it is with `na.pass`), and all numbers are finite.
check_complete <- function(frame) {
  columns <- unclass(frame)
  for (name in names(columns)) {
    x <- columns[[name]]
    if (is.double(x) && is.finite(sum(unclass(x)))) {
      next
    }
    if (anyNA(x)) {
      abort_still_missing(name, original_rows(frame)[missing_rows(x)])
    }
    if (is.double(x)) {
      abort_if_any(is.infinite(unclass(x)), name, "infinite", frame)
    }
  }
}

missing_rows <- function(x) {
  if (is.matrix(x)) rowSums(is.na(x)) > 0 else is.na(x)
}

drop_unused <- function(frame) {
  columns <- unclass(frame)
  for (name in names(columns)) {
    x <- columns[[name]]
    if (is.factor(x) && any(tabulate(x, nlevels(x)) == 0L)) {
      frame[[name]] <- droplevels(x)
    }
  }
  frame
}

# Errors --------------------------------------------------------------------

check_rows <- function(frame, data, subset) {
  if (nrow(frame) > 0L) {
    return(invisible())
  }
  what <- if (is.null(subset)) {
    "`data` must have at least one row."
  } else {
    "`subset` must leave at least one row."
  }
  abort_rlmm(what, "rlmm_error_no_rows")
}

abort_all_missing <- function(frame) {
  abort_rlmm(
    c(
      "No row without missing values is left.",
      x = paste0(describe_missing(frame), ".")
    ),
    "rlmm_error_no_rows"
  )
}

abort_missing <- function(frame) {
  abort_rlmm(
    c(
      "The data must have no missing values, because `na.action` is `na.fail`.",
      x = paste0(describe_missing(frame), ".")
    ),
    "rlmm_error_missing"
  )
}

describe_missing <- function(frame) {
  count <- vapply(frame, function(x) sum(missing_rows(x)), 0L)
  count <- count[count > 0]
  if (length(count) == 0L) {
    return("The rows are all dropped by `na.action`")
  }
  enumerate(paste0(
    tick(names(count)),
    " is missing in ",
    count,
    " of ",
    nrow(frame),
    " rows"
  ))
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
  if (length(unknown) == 0L) NULL else did_you_mean(unknown[1], names(data))
}
