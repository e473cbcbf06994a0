# Variances of predictions with random effects beside a large factor: the factor's levels, random
# effects and other coefficients depend on each other, which a solve for each row tells.

# So many solves are done at most: each takes the factor anew.
most_rows_solved <- 500L

#' Variances of the errors of x' beta, the level's coefficient and z' b, over sigma^2
#' @noRd
solved_variance <- function(rows, parts) {
  columns <- row_columns(rows)
  code <- code_of_rows(columns, rows$n)
  first <- which(!duplicated(code))
  if (length(first) > most_rows_solved) {
    abort_many_solves(length(first))
  }
  one <- \(row) solved_variance_of(row, rows, parts)
  vapply(first, one, 1)[match(code, code[first])]
}

# All that makes a prediction unlike another.
row_columns <- function(rows) {
  column <- \(j, x) x[, j]
  split_columns <- \(x) lapply(seq_len(ncol(x)), column, x)
  of_effects <- lapply(rows$effects, \(effect) {
    c(list(effect$refs), split_columns(effect$z))
  })
  c(
    split_columns(rows$x),
    list(rows$level),
    unlist(of_effects, recursive = FALSE)
  ) |>
    Filter(f = Negate(is.null))
}

solved_variance_of <- function(row, rows, parts) {
  x <- rows$x[row, parts$free]
  level <- rows$level[row]
  z <- right_hand_effects(row, rows$effects, parts)
  if (!is.null(level)) {
    if (is.na(level)) {
      return(NA_real_)
    }
    last <- list(
      at = cbind(1L, level),
      values = as.double(parts$has_column[level])
    )
    z[[length(z)]] <- last
  }
  found <- solve_normal_equations(parts$system, parts$theta, x, z)
  of_terms <- Map(\(b, own) sum(b * own$values), found$b, z)
  known <- sum(x * found$beta) + sum(unlist(of_terms))
  known + unknown_variance(row, rows$effects, parts)
}

# The elements of a row's random effects, by core term; the last term is the large factor.
right_hand_effects <- function(row, effects, parts) {
  none <- list(at = matrix(0L, 0L, 2L), values = numeric())
  z <- rep(list(none), parts$n_terms)
  for (effect in effects) {
    ref <- effect$refs[row]
    if (!is.na(ref)) {
      core <- effect$term$core_term
      columns <- effect$term$core_cols[effect$columns]
      z[[core]]$at <- rbind(z[[core]]$at, cbind(columns, ref))
      z[[core]]$values <- c(z[[core]]$values, effect$z[row, ])
    }
  }
  z
}

# Levels that the fit didn't see vary as their term does.
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
        most_rows_solved
      ),
      i = "Predict fewer rows at a time, or with `re.form = NA`."
    ),
    "rlmm_error_large_factor",
    rows = n
  )
}
