# Interpolation: linear models whose effects can reproduce any response.
#
# Where X and Z together have the rank n of the observations, the residual variance can be zero. As
# it tends to zero, the likelihood behaves like its power (r - n) / 2, with r the rank of Z Lambda
# in the limit. If Lambda can be such that r is less than n, but X and Z Lambda still have rank n,
# the likelihood has no maximum: the fixed effects reproduce what the random effects leave over. The
# restricted likelihood has one, as a rule, but it may be at a residual variance of zero.

# Larger data, which hardly ever have as many effects as observations, would take long.
most_rank_operations <- 2e7
most_limits <- 500L

#' Whether the effects of a fit can reproduce any response, and the likelihood then has a maximum
#' @return `NULL` if they can't, or if the data are too large to tell; otherwise a list: `n`, the
#'   number of observations, and `terms`, the texts of terms whose random effects suffice beside the
#'   fixed effects, so that there is no maximum; none if there may be one.
#' @noRd
interpolation <- function(fit, spec) UseMethod("interpolation")

#' @export
interpolation.rlmm_glmm <- function(fit, spec) NULL

#' @export
interpolation.rlmm_lmm <- function(fit, spec) {
  weights <- spec$weights
  n <- if (is.null(weights)) length(spec$y) else sum(weights > 0)
  if (!may_interpolate(fit, n)) {
    return(NULL)
  }
  rows <- if (is.null(weights)) seq_len(n) else which(weights > 0)
  x <- column_matrix(spec$x, length(spec$y))[rows, , drop = FALSE]
  terms <- lapply(fit$random, effects_of_rows, spec$terms, rows)
  has_maximum <- fit$reml
  if (!has_maximum) {
    sufficient <- sufficient_terms(fit$random, x, terms)
    has_maximum <- length(sufficient) == 0L
  }
  if (!has_maximum) {
    list(n = n, terms = term_texts(fit)[sufficient])
  } else if (reproduce_all(fit$random, x, terms)) {
    list(n = n, terms = character())
  }
}

# Whether all columns together have full rank. Effects that share correlations don't count: they may
# be as many as the observations, such as those of a process in time.
reproduce_all <- function(random, x, terms) {
  is_free <- !vapply(random, \(term) has_rho(term$structure), NA)
  terms <- terms[is_free]
  blocks <- lapply(terms, \(own) diag(ncol(own$z)))
  any(mapply(reproduces_levels, terms, blocks)) ||
    rank_of_blocks(c(list(x), z_times_blocks(terms, blocks))) == nrow(x)
}

# Whether the effects of one term reproduce any response, level by level.
reproduces_levels <- function(own, block) {
  max(tabulate(own$level)) <= ncol(block) &&
    rank_within_levels(own, block) == length(own$level)
}

# Whether there are enough effects for so many rows, and few enough to compute ranks; not for models
# without rows, with a known scale or with held variances.
may_interpolate <- function(fit, n) {
  columns <- as.double(length(fit$beta))
  for (term in fit$random) {
    columns <- columns + length(term$columns) * length(term$levels)
  }
  if (n == 0L || columns < n || n^2 * columns > most_rank_operations) {
    return(FALSE)
  }
  !fit$known_sigma && n_held(fit) == 0L && is.null(fit$fixed$large)
}

# The columns of a term, and the level of each row.
effects_of_rows <- function(term, core_terms, rows) {
  core <- core_terms[[term$core_term]]
  z <- column_matrix(core$z, length(core$refs))
  list(z = z[rows, term$core_cols, drop = FALSE], level = core$refs[rows])
}

# The columns of Z times a block of Lambda for each term, for all levels.
z_times_blocks <- function(terms, blocks) {
  Map(spread_over_levels, terms, blocks)
}

# The columns of one term's Z times a block of Lambda, for all levels.
spread_over_levels <- function(own, block) {
  levels <- sort(unique(own$level))
  is_of_level <- outer(own$level, levels, `==`)
  combined <- own$z %*% block
  columns <- lapply(seq_len(ncol(block)), \(j) combined[, j] * is_of_level)
  do.call(cbind, c(list(matrix(0, nrow(own$z), 0L)), columns))
}

rank_of_blocks <- function(columns) rank_of_columns(do.call(cbind, columns))

# The rank of columns, each in units of its size.
rank_of_columns <- function(columns) {
  size <- sqrt(colSums(columns^2))
  columns <- columns[, size > 0, drop = FALSE]
  qr(columns / rep(size[size > 0], each = nrow(columns)), tol = 1e-9)$rank
}

# The rank of Z times blocks of Lambda. The levels of one term have no rows in common.
rank_of_terms <- function(terms, blocks) {
  has_columns <- vapply(blocks, ncol, 1L) > 0L
  if (sum(has_columns) == 1L) {
    rank_within_levels(
      terms[[which(has_columns)]],
      blocks[[which(has_columns)]]
    )
  } else {
    rank_of_blocks(z_times_blocks(terms, blocks))
  }
}

rank_within_levels <- function(own, block) {
  combined <- own$z %*% block
  rank_of_level <- \(rows) rank_of_columns(combined[rows, , drop = FALSE])
  rows <- split(seq_along(own$level), own$level)
  sum(vapply(rows, rank_of_level, 1L))
}

# The numbers of the terms whose random effects reproduce any response beside X in the first limit
# of all Lambdas in which they have a lower rank themselves; none without such a limit.
sufficient_terms <- function(random, x, terms) {
  n <- nrow(x)
  for (blocks in combined_limits(random)) {
    n_effects <- vapply(blocks, ncol, 1L)
    n_columns <- ncol(x) + sum(n_effects * n_levels_of(random))
    if (
      n_columns >= n &&
        rank_of_terms(terms, blocks) < n &&
        rank_of_blocks(c(list(x), z_times_blocks(terms, blocks))) == n
    ) {
      return(which(n_effects > 0L))
    }
  }
  integer()
}

# The combinations of limits of all terms, those with few columns of Z first.
combined_limits <- function(random) {
  limits <- lapply(random, limits_of_lambda)
  choices <- expand.grid(lapply(limits, seq_along))
  combined <- lapply(seq_len(min(nrow(choices), most_limits)), \(i) {
    Map(`[[`, limits, choices[i, ])
  })
  columns <- \(blocks) sum(vapply(blocks, ncol, 1L) * n_levels_of(random))
  combined[order(vapply(combined, columns, 1))]
}

#' Blocks of Lambda of every rank that a structure allows in the limit of zero variances and perfect
#' correlations, with pseudorandom elements where these are free
#' @noRd
limits_of_lambda <- function(term) {
  k <- length(term$columns)
  whole <- diag(k)
  one <- pseudorandom_numbers(k, 1L)
  if (is_unstructured(term$structure)) {
    lapply(0:k, pseudorandom_numbers, n = k)
  } else if (is_homogeneous(term$structure)) {
    same <- if (has_rho(term$structure)) list(one^0)
    c(list(whole[, 0L]), same, list(whole))
  } else {
    sizes <- if (k > 8L) c(0L, 1L, k) else 0:k
    subsets <- lapply(sizes, utils::combn, x = k, simplify = FALSE)
    subsets <- unlist(subsets, recursive = FALSE)
    some <- lapply(subsets, \(own) whole[, own, drop = FALSE])
    c(some, if (has_rho(term$structure)) list(one))
  }
}

# Conditions ------------------------------------------------------------------

#' Reports effects that can reproduce any response
#' @return Whether the likelihood has no maximum.
#' @noRd
report_interpolation <- function(fit, spec) {
  found <- interpolation(fit, spec)
  if (is.null(found)) {
    return(FALSE)
  }
  lines <- interpolation_lines(found)
  if (length(found$terms) > 0L) {
    warn_rlmm(lines, "rlmm_warning_interpolation", terms = found$terms)
    return(TRUE)
  }
  # Other verdicts say that the residual variance is nearly zero. The message's class is
  # `rlmm_message_interpolation`.
  if (identical(fit$optsum$certificate$verdict, "optimal")) {
    signal(fit$control$checks$conv_singular, lines, "interpolation")
  }
  FALSE
}

interpolation_lines <- function(found) {
  observations <- plural(found$n, "observation")
  if (length(found$terms) > 0L) {
    return(c(
      "The likelihood has no maximum: it has no bound as the residual variance tends to zero.",
      x = sprintf(
        "The fixed effects and the random effects of %s can reproduce any response of %s.",
        enumerate(tick(found$terms)),
        observations
      ),
      i = paste(
        "The estimates are a local maximum at best:",
        "use `REML = TRUE`, or take fewer effects."
      )
    ))
  }
  c(
    sprintf(
      "The fixed and the random effects together can reproduce any response of %s.",
      observations
    ),
    i = paste(
      "Another optimum may have a residual variance of zero, where none is looked for:",
      "take fewer effects?"
    )
  )
}
