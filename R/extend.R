# Designs of studies of another size: the design of a fit with other numbers of groups or rows.

#' A fit with another number of levels or rows, as a model to simulate from
#'
#' The levels of a grouping factor are copied with their rows, in turn, or some of them are kept;
#' factors nested in it are copied too, crossed ones are not. Factors that are constant within
#' levels, such as treatments, keep their proportions in both cases. Fewer rows are the first ones
#' of each level of the first grouping factor.
#' @param along The name of a grouping variable, or `"rows"`: all rows of the data are repeated.
#' @param n The new number of levels or rows.
#' @noRd
extended_fit <- function(fit, along, n) {
  frame <- fit_frame(fit)
  if (along == "rows") {
    return(with_frame(fit, rows_again(frame, repeated_rows(fit, frame, n))))
  }
  copies <- copied_levels(frame[[along]], n, balanced_order(fit, frame, along))
  extended <- rows_again(frame, copies$rows)
  for (name in nested_variables(fit, along)) {
    extended[[name]] <- copied_factor(frame[[name]], copies)
  }
  with_frame(fit, extended)
}

rows_again <- function(frame, rows) {
  extended <- frame[rows, , drop = FALSE]
  attr(extended, "terms") <- attr(frame, "terms")
  row.names(extended) <- NULL
  extended
}

# Repeats all rows, or keeps the first rows of each level.
repeated_rows <- function(fit, frame, n) {
  all <- seq_len(nrow(frame))
  if (n >= nrow(frame)) {
    return(rep_len(all, n))
  }
  group <- frame[[extendable(fit)[1L]]] %||% rep(1L, nrow(frame))
  rank <- stats::ave(all, group, FUN = seq_along)
  sort(order(rank)[seq_len(n)])
}

#' The levels of a factor in an order whose initial parts have the proportions of the whole
#'
#' Levels are of the same kind if the factors of the fixed part are constant in both and equal.
#' @noRd
balanced_order <- function(fit, frame, along) {
  group <- factor(frame[[along]])
  kinds <- level_kinds(fit, frame, along, group)
  first <- frame[match(levels(group), group), kinds, drop = FALSE]
  blank <- list(rep("", nrow(first)))
  kind <- do.call(paste, c(blank, first, sep = "\r"))
  rank <- stats::ave(seq_along(kind), kind, FUN = seq_along)
  size <- stats::ave(rank, kind, FUN = length)
  order((rank - 0.5) / size)
}

# The kinds of levels, from the fixed factors that are constant within each level of the group.
level_kinds <- function(fit, frame, along, group) {
  names <- all.vars(stats::delete.response(fit$fixed$terms))
  factors <- setdiff(intersect(names, names(frame)), along)
  is_kind <- \(name) is_constant_kind(frame[[name]], group)
  factors[vapply(factors, is_kind, NA)]
}

is_constant_kind <- function(x, group) {
  is_discrete <- is.factor(x) || is.character(x) || is.logical(x)
  is_discrete && nrow(unique(data.frame(x, group))) == nlevels(group)
}

# The rows of the first n levels in this order, continued through copies of all levels, and the
# number of the copy of each row.
copied_levels <- function(group, n, order) {
  group <- factor(group)
  rows_of <- split(seq_along(group), group)
  level <- rep_len(order, n)
  copy <- (seq_len(n) - 1L) %/% length(rows_of)
  found <- rows_of[level]
  list(
    rows = unlist(found, use.names = FALSE),
    copy = rep(copy, lengths(found))
  )
}

# The labels of levels in copies have the number of the copy appended.
copied_factor <- function(x, copies) {
  labels <- as.character(x)[copies$rows]
  is_copy <- copies$copy > 0L
  numbered <- paste(labels, copies$copy + 1L, sep = "_")
  labels[is_copy] <- numbered[is_copy]
  factor(labels, unique(labels))
}

#' A grouping variable and those nested in it
#' @noRd
nested_variables <- function(fit, along) {
  frame <- fit_frame(fit)
  outer <- factor(frame[[along]])
  variables <- unique(unlist(lapply(fit$random, `[[`, "group_vars")))
  is_nested <- vapply(
    variables,
    \(name) {
      pairs <- unique(data.frame(inner = as.character(frame[[name]]), outer))
      !anyDuplicated(pairs$inner)
    },
    NA
  )
  # A variable that also has fixed effects of its levels is not copied.
  fixed <- all.vars(stats::delete.response(fit$fixed$terms))
  union(along, setdiff(variables[is_nested], fixed))
}

#' A fit with another frame, with its levels and fields that depend on the number of rows
#' @noRd
with_frame <- function(fit, frame) {
  fit$frame <- frame
  fit["na_action"] <- list(NULL)
  fit$fitted <- numeric(nrow(frame))
  for (i in seq_along(fit$random)) {
    term <- fit$random[[i]]
    term$levels <- group_codes(term$group_vars, frame, term$group)$levels
    fit$random[[i]] <- term
    fit$u[[i]] <- zero_effects(term)
    fit$b[[i]] <- zero_effects(term)
  }
  fit
}

zero_effects <- function(term) {
  matrix(
    0,
    length(term$levels),
    length(term$columns),
    dimnames = list(term$levels, term$columns)
  )
}

# Arguments -----------------------------------------------------------------

#' Checks the argument `extend`
#' @return A list: `along` and `n`; `NULL` for the design as it is.
#' @noRd
check_extend <- function(extend, fit) {
  if (is.null(extend)) {
    return(NULL)
  }
  sizes <- unlist(extend, use.names = FALSE)
  along <- unique(names(extend))
  known <- c(extendable(fit), "rows")
  if (length(along) != 1L || !nzchar(along) || !is.numeric(sizes)) {
    abort_extend("It must have one name, and numbers.", known)
  }
  check_extension(along, sizes, known)
  list(along = along, n = sizes)
}

check_extension <- function(along, sizes, known) {
  if (!along %in% known) {
    abort_extend(paste0("Can't find ", in_quotes(along), "."), known)
  }
  if (!all(are_multiples(sizes))) {
    abort_extend("Its numbers must be whole, and at least 2.", known)
  }
}

are_multiples <- function(sizes) {
  is.finite(sizes) & sizes >= 2 & sizes == floor(sizes)
}

# The grouping variables that are columns.
extendable <- function(fit) {
  variables <- unique(unlist(lapply(fit$random, `[[`, "group_vars")))
  intersect(variables, names(fit_frame(fit)))
}

abort_extend <- function(problem, known) {
  abort_argument(
    "`extend` must say along what to extend the design, and how far.",
    x = problem,
    i = sprintf(
      "For example `extend = list(%s = c(20, 40))`; it can be %s.",
      known[1L],
      enumerate(in_quotes(known), last = "or")
    ),
    arg = "extend"
  )
}
