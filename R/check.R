# Checks of the arguments of the fitting functions.

check_data <- function(data) {
  if (is.data.frame(data)) {
    return(invisible())
  }
  if (is_remote_table(data)) {
    abort_remote_table(data)
  }
  if (is.null(data) || is.environment(data) || is_table(data)) {
    return(invisible())
  }
  abort_argument(
    "`data` must be a data frame, a list, or an environment.",
    x = it_is(data),
    data_hint(data),
    arg = "data"
  )
}

data_hint <- function(data) {
  if (inherits(data, "rlmm_sums")) {
    return(c(i = sums_hint))
  }
  if (is.matrix(data) || is.object(data)) {
    return(c(i = "Use `as.data.frame()`?"))
  }
  if (is.list(data)) {
    return(c(i = "A list needs a name for each of its columns."))
  }
  if (is.character(data) && length(data) == 1L) {
    c(i = sprintf("Write the name without quotes: `data = %s`.", data))
  }
}

# Whether `data` is a data frame, or a plain list with names.
is_table <- function(data) {
  has_names <- length(data) == 0L || !is.null(names(data))
  is.data.frame(data) || (is.list(data) && !is.object(data) && has_names)
}

# Whether data are a table of another system, which may look like a list or an environment.
is_remote_table <- function(data) {
  inherits(
    data,
    c(
      "ArrowObject",
      "ArrowTabular",
      "arrow_dplyr_query",
      "tbl_lazy",
      "tbl_sql",
      "tbl_spark",
      "DBIConnection",
      "RPolarsDataFrame",
      "polars_data_frame"
    )
  )
}

#' Raises an error about data outside R's memory
#' @param instead A hint about functions that accept tables and readers.
#' @noRd
check_in_memory <- function(data, instead) {
  if (is_summed_up(data)) {
    abort_remote_table(data, instead)
  }
  if (is_remote_table(data)) {
    abort_remote_table(data)
  }
}

abort_remote_table <- function(data, instead = NULL) {
  hint <- if (inherits(data, "DBIConnection")) {
    "A table of it is `dplyr::tbl(connection, \"name\")`."
  } else if (!is.function(data)) {
    "Fetch it with `dplyr::collect()`, or `as.data.frame()`?"
  }
  abort_argument(
    "`data` must be in R's memory.",
    x = paste(c(it_is(data), memory_of_copy(data)), collapse = " "),
    c(i = hint, i = instead),
    arg = "data"
  )
}

# The memory for a copy of a table; `NULL` if its rows can't be counted.
memory_of_copy <- function(table) {
  tryCatch(
    {
      n <- as.numeric(as.data.frame(dplyr::collect(dplyr::count(table)))$n)
      size <- format_bytes(n * length(names_of_table(table)) * 8)
      sprintf("A copy of its %s needs about %s.", plural(n, "row"), size)
    },
    error = \(cnd) NULL
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

#' Checks the starting value of theta
#' @return A numeric vector in the order of the model's theta, or `NULL`.
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

# The element `theta` of a list given as `start`, which must have no other elements.
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
