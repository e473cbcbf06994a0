# Variances of predictions with large factors, from a solve of the normal equations for each row,
# since levels, random effects and other coefficients are correlated.

# The largest number of solves, each of which needs a new factorization.
max_solved_rows <- 500L

#' The variances of the errors of x' beta + the levels' coefficients + z' b, over sigma^2
#' @param fixed Whether beta is estimated rather than given.
#' @noRd
solved_variance <- function(rows, parts, fixed) {
  columns <- row_columns(rows)
  code <- code_of_rows(columns, rows$n)
  first <- which(!duplicated(code))
  if (length(first) > max_solved_rows) {
    abort_many_solves(length(first))
  }
  one <- \(row) solved_variance_of(row, rows, parts, fixed)
  vapply(first, one, 1)[match(code, code[first])]
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

solved_variance_of <- function(row, rows, parts, fixed) {
  x <- rows$x[row, parts$free]
  levels <- vapply(rows$levels, \(own) own$at[row], 1L)
  values <- vapply(rows$levels, \(own) own$values[row], 1)
  if (anyNA(levels) || anyNA(values)) {
    return(NA_real_)
  }
  z <- right_hand_effects(row, rows$effects, parts)
  if (length(levels) > 0L) {
    z <- with_level_values(z, parts$large, levels, values)
  }
  for (own in rows$means) {
    z <- with_level_values(z, parts$large, own$at, own$coding$weights)
  }
  found <- solve_normal_equations(parts$system, parts$theta, x, z)
  known <- sum_with_solution(found, x, z)
  if (!fixed) {
    # The solution for beta is V s, and the contribution of beta to the variance is s' V s.
    known <- known - sum((found$rx %*% found$beta)^2)
  }
  known + unknown_variance(row, rows$effects, parts)
}

# The elements of a row for its random effects, by core term; the last terms are the large factors.
right_hand_effects <- function(row, effects, parts) {
  none <- list(at = matrix(0L, 0L, 2L), values = numeric())
  z <- rep(list(none), parts$n_terms)
  for (effect in effects) {
    ref <- effect$refs[row]
    if (!is.na(ref)) {
      core <- effect$term$core_term
      columns <- effect$term$core_cols[effect$columns]
      at <- cbind(columns, ref)
      own <- z[[core]]
      z[[core]]$at <- rbind(own$at, at)
      z[[core]]$values <- c(own$values, effect$z[row, ])
    }
  }
  z
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
unknown_variance <- function(row, effects, parts) {
  total <- 0
  for (effect in effects) {
    if (is.na(effect$refs[row])) {
      lambda <- parts$lambda[[effect$i]][effect$columns, , drop = FALSE]
      total <- total + sum((effect$z[row, ] %*% lambda)^2)
    }
  }
  total
}

abort_many_solves <- function(n) {
  abort_rlmm(
    c(
      "Too many standard errors of predictions with random effects.",
      x = sprintf(
        "Beside a fixed factor with many levels each takes a solve: %s of at most %s.",
        format_count(n),
        max_solved_rows
      ),
      i = "Predict fewer rows at a time, or with `re.form = NA`."
    ),
    "rlmm_error_large_factor",
    rows = n
  )
}
