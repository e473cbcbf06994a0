# Prints a preview.

#' @rdname preview
#' @export
format.rlmm_preview <- function(x, ...) {
  warn_of_dots(...)
  c(
    preview_title(x),
    "",
    fixed_lines(x$fixed),
    "",
    preview_term_rows(x$terms),
    if (!is.null(x$factors)) c("", factor_lines(x$factors)),
    "",
    size_lines(x),
    if (length(x$notes) > 0L) c("", "The fit would say:", note_lines(x$notes))
  )
}

preview_title <- function(x) {
  kind <- model_kind(x$generalized)
  rows <- plural(x$rows, "row")
  missing <- plural(x$missing, "row")
  c(
    sprintf("Preview of a %s of %s", kind, rows),
    if (x$missing > 0L) sprintf("%s left out for missing values.", missing)
  )
}

note_lines <- function(notes) {
  lines <- lapply(
    unique(notes),
    strwrap,
    exdent = 2,
    prefix = "",
    initial = "* "
  )
  unlist(lines)
}

fixed_lines <- function(fixed) {
  n <- length(fixed$columns)
  names <- enumerate(tick(fixed$columns))
  n_aliased <- length(fixed$aliased)
  c(
    sprintf(
      "Fixed part: %s%s",
      plural(n, "column"),
      if (n > 0L) paste0(" (", names, ")") else ""
    ),
    if (!is.null(fixed$apart)) {
      sprintf(
        "%s of %s, which are no columns (see `?rlmm`)",
        vapply(fixed$apart, plural, "", "level"),
        tick(names(fixed$apart))
      )
    },
    if (n_aliased > 0L) {
      sprintf(
        "Aliased, and dropped: %s",
        enumerate(tick(fixed$aliased))
      )
    }
  )
}

preview_term_rows <- function(terms) {
  columns_under_names(list(
    Term = terms$term,
    Levels = format_count(terms$levels),
    Effects = terms$effects,
    Parameters = terms$parameters,
    `Rows per level` = rows_per_level(terms),
    Singletons = format_count(terms$singletons)
  ))
}

rows_per_level <- function(terms) {
  text <- sprintf("%s to %s, median %s", terms$least, terms$most, terms$median)
  ifelse(terms$least == terms$most, terms$least, text)
}

factor_lines <- function(factors) {
  phrases <- Map(
    factor_phrase,
    tick(factors$first),
    tick(factors$second),
    factors$relation,
    factors$parts,
    factors$filled
  )
  unlist(phrases, use.names = FALSE)
}

factor_phrase <- function(a, b, relation, parts, filled) {
  crossed <- "%s and %s are crossed: %s of the combinations, %s."
  share <- paste0(format(100 * filled, digits = 2), " %")
  switch(
    relation,
    "the same" = sprintf("%s and %s have the same levels.", a, b),
    nested = sprintf("%s is nested in %s.", a, b),
    nests = sprintf("%s is nested in %s.", b, a),
    crossed = sprintf(crossed, a, b, share, parts_phrase(parts))
  )
}

parts_phrase <- function(parts) {
  if (parts == 1L) {
    return("all connected")
  }
  paste("in", format_count(parts), "parts that nothing connects")
}

size_lines <- function(x) {
  size <- x$size
  c(
    sprintf(
      "Size: %s eliminated one by one; then a system of %s (%s).",
      plural(size$levels, "level"),
      plural(size$system, "row"),
      format_megabytes(size$megabytes)
    ),
    engine_line(x),
    sprintf("Time of a fit: %s.", format_seconds(x$seconds))
  )
}

engine_line <- function(x) {
  if (is.na(x$engine)) {
    return("Engine: none, as no factor fits in memory.")
  }
  switch(
    x$storage,
    dense = "Engine: exact, with a dense factor of that system.",
    sparse = "Engine: exact, with a sparse factor of that system.",
    pairs = "Engine: iterative, which doesn't form that system (see `rlmm_control()`)."
  )
}

format_megabytes <- function(x) {
  if (x < 1) {
    return("less than 1 MB")
  }
  paste(format(signif(x, 2), big.mark = ","), "MB")
}

format_seconds <- function(seconds) {
  if (is.na(seconds)) {
    return("unknown")
  }
  if (seconds < 0.1) {
    return("less than 0.1 seconds")
  }
  units <- c(seconds = 1, minutes = 60, hours = 3600, days = 86400)
  unit <- max(1L, sum(seconds >= 2 * units))
  number <- format(signif(seconds / units[[unit]], 2))
  paste("about", number, names(units)[unit])
}

#' @rdname preview
#' @export
print.rlmm_preview <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}
