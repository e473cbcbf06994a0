# Prediction error variances in models with large factors: levels, random effects and the other
# coefficients are correlated. The core computes the variance of each row as that of a linear
# combination of all of them.

# The largest number of weights of effects that are passed to the core at a time.
max_weights <- 1e6

#' The variances of the errors of x' beta + the levels' coefficients + z' b, over sigma^2
#' @param fixed Whether beta is estimated rather than given.
#' @noRd
solved_variance <- function(rows, parts, fixed) {
  columns <- row_columns(rows)
  code <- code_of_rows(columns, rows$n)
  first <- which(!duplicated(code))
  at_once <- max(1L, floor(max_weights / weights_of_row(rows)))
  blocks <- split(first, (seq_along(first) - 1L) %/% at_once)
  found <- lapply(blocks, variance_of_rows, rows, parts, fixed)
  unlist(found, use.names = FALSE)[match(code, code[first])]
}

# The quantities that distinguish predictions.
row_columns <- function(rows) {
  of_effects <- lapply(rows$effects, \(effect) {
    c(list(effect$refs), split_columns(effect$z))
  })
  of_levels <- lapply(rows$levels, `[`, c("at", "values"))
  c(
    split_columns(rows$x),
    unlist(of_levels, recursive = FALSE),
    unlist(of_effects, recursive = FALSE)
  ) |>
    Filter(f = Negate(is.null))
}

# The number of effects with a weight in one prediction.
weights_of_row <- function(rows) {
  ncol(rows$x) +
    length(rows$levels) +
    sum(lengths(lapply(rows$effects, `[[`, "columns"))) +
    sum(lengths(lapply(rows$means, `[[`, "at")))
}

variance_of_rows <- function(some, rows, parts, fixed) {
  weights <- effect_weights(some, rows, parts)
  is_known <- !is.na(weights$value) & !is.na(weights$place)
  lost <- unique(weights$row[!is_known])
  weights <- lapply(weights, `[`, is_known)
  x <- rows$x[some, parts$free, drop = FALSE]
  found <- core_variances(parts$system, parts$theta, x, weights)
  variance <- found$whole - if (fixed) 0 else found$of_fixed
  variance[lost] <- NA
  variance + unknown_variance(some, rows$effects, parts)
}

# The weights of random effects and of levels in some rows, as core_variances() takes them: `row`,
# `term`, `place` among the effects of the term, and `value`.
effect_weights <- function(some, rows, parts) {
  sizes <- vapply(parts$system$sums$terms, \(term) dim(term$zz)[1L], 1L)
  all <- c(
    lapply(rows$effects, weights_of_effects, some, sizes),
    lapply(rows$levels, weights_of_levels, some, parts, sizes),
    lapply(rows$means, weights_of_means, some, parts, sizes)
  )
  fields <- rlang::set_names(c("row", "term", "place", "value"))
  lapply(fields, \(field) unlist(lapply(all, `[[`, field)))
}

# The weights of the random effects of one term, in the rows whose level is known.
weights_of_effects <- function(effect, some, sizes) {
  at <- which(!is.na(effect$refs[some]))
  core <- effect$term$core_term
  columns <- effect$term$core_cols[effect$columns]
  before <- (effect$refs[some[at]] - 1L) * sizes[core]
  list(
    row = rep(at, length(columns)),
    term = rep(core, length(at) * length(columns)),
    place = as.vector(outer(before, columns, `+`)),
    value = as.vector(effect$z[some[at], ])
  )
}

# The weight of one level, or slope by level, in each row.
weights_of_levels <- function(own, some, parts, sizes) {
  at <- own$at[some]
  c(
    list(row = seq_along(some)),
    places_in_system(at, parts, sizes),
    list(value = own$values[some] * parts$large$is_column[at])
  )
}

# The weights of all levels of a coded factor in its mean, which are the same in each row.
weights_of_means <- function(own, some, parts, sizes) {
  value <- own$coding$weights * parts$large$is_column[own$at]
  places <- places_in_system(own$at, parts, sizes)
  c(
    list(row = rep(seq_along(some), each = length(own$at))),
    lapply(places, rep, length(some)),
    list(value = rep(value, length(some)))
  )
}

#' The positions of levels of large factors in a system whose last terms are these factors
#' @param at Numbers among the levels of all factors.
#' @param sizes The number of effects of a level, by term.
#' @return A list: `term`, and the `place` among the effects of all its levels.
#' @noRd
places_in_system <- function(at, parts, sizes) {
  factors <- parts$large$factors
  first <- vapply(factors, \(own) own$at[1L], 1)
  owner <- findInterval(at, first)
  of_owner <- \(field) vapply(factors, `[[`, 1L, field)[owner]
  n_random <- parts$n_terms - n_blocks(parts$large)
  term <- n_random + of_owner("block")
  level <- at - first[owner]
  list(term = term, place = level * sizes[term] + of_owner("column"))
}

#' Right-hand sides with elements for some levels of large factors, whose terms are the last
#' @param z See [solve_normal_equations()].
#' @param levels The numbers of levels among those of all factors.
#' @param values The elements for these levels, zero for levels without a column.
#' @noRd
with_level_values <- function(z, large, levels, values) {
  values <- values * large$is_column[levels]
  n_random <- length(z) - n_blocks(large)
  for (own in large$factors) {
    is_own <- levels %in% own$at
    places <- cbind(
      rep(own$column, sum(is_own)),
      levels[is_own] - own$at[1L] + 1L
    )
    term <- n_random + own$block
    known <- z[[term]]
    z[[term]]$at <- rbind(known$at, places)
    z[[term]]$values <- c(known$values, values[is_own])
  }
  z
}

# The variance of the effects of new levels, that of their term.
unknown_variance <- function(some, effects, parts) {
  total <- 0
  for (effect in effects) {
    lambda <- parts$lambda[[effect$i]][effect$columns, , drop = FALSE]
    z <- effect$z[some, , drop = FALSE]
    is_unknown <- is.na(effect$refs[some])
    total <- total + ifelse(is_unknown, rowSums((z %*% lambda)^2), 0)
  }
  total
}
