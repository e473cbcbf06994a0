# Messages about numbers and dates stored as text, of which each value becomes a level.

report_text_columns <- function(terms, frame) {
  if (match("character", attr(terms, "dataClasses"), 0L) == 0L) {
    return(invisible())
  }
  for (name in effect_names(terms, frame)) {
    x <- .subset2(frame, name)
    kind <- if (is.character(x)) unexpected_text(x)
    if (!is.null(kind)) {
      inform_text(name, kind, length(unique(x)))
    }
  }
}

# Whether the text has numbers or dates that are unlikely to be categories: a few numbers may be
# codes of groups, a few dates rarely are. Two values make no difference.
unexpected_text <- function(x) {
  kind <- text_kind(x, more_than = 2L)
  is_date <- !is.null(kind) && kind %in% c("dates", "times")
  if (is_date) kind else text_kind(x, more_than = 5L)
}

# The variables of a part of the formula that are in the frame, without the response.
effect_names <- function(terms, frame) {
  names <- names(attr(terms, "dataClasses"))
  response <- attr(terms, "response")
  if (response > 0L) {
    names <- names[-response]
  }
  names[match(names, names(frame), 0L) > 0L]
}

inform_text <- function(name, kind, n) {
  inform_rlmm(
    c(
      sprintf("%s is text that holds %s.", tick(name), kind),
      x = sprintf("Each of its %s is a level of a factor.", plural(n, "value")),
      i = sprintf("Convert it with %s?", text_remedy(kind))
    ),
    "rlmm_message_text",
    variable = name
  )
}

#' The kind of values in a text, a name in `text_remedies`, or `NULL`
#' @noRd
text_kind <- function(x, more_than = 0L) {
  values <- unique(trimws(x[!is.na(x)]))
  if (length(values) <= more_than) {
    return(NULL)
  }
  number <- "^[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?$"
  date <- "^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}|^[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}"
  if (all(grepl(number, values))) {
    "numbers"
  } else if (all(grepl(number, sub(",", ".", values, fixed = TRUE)))) {
    "numbers with a comma"
  } else if (all(grepl(date, values))) {
    kind_of_dates(values)
  }
}

kind_of_dates <- function(values) {
  if (all(grepl("[T ][0-9]{1,2}:[0-9]{2}", values))) "times" else "dates"
}

text_remedy <- function(kind) text_remedies[[kind]]

text_remedies <- c(
  numbers = "`as.numeric()`",
  "numbers with a comma" = "`as.numeric(sub(\",\", \".\", x, fixed = TRUE))`",
  dates = "`as.Date()`",
  times = "`as.POSIXct()`"
)

# The hint for a response that is text and must be numeric.
text_hint <- function(x) {
  kind <- if (is.character(x)) text_kind(x)
  if (!is.null(kind)) {
    paste0("It is text that holds ", kind, ": use ", text_remedy(kind), "?")
  }
}
