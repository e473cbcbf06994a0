# The design of a model that is fitted to sums.

#' The design of a model from sums, as [model_design()] makes it from data
#' @noRd
sums_design <- function(sums, REML, control, sigma) {
  check_flag(REML, "REML")
  check_sigma(sigma)
  check_no_held_beta(control)
  sums <- levels_in_order(sums)
  plan <- sums$plan
  for (name in names(plan$alone)) {
    abort_one_value(name, plan$alone[[name]])
  }
  terms <- with_levels(plan$random, sums$levels)
  terms <- ordered_terms(terms, plan$apart$group)
  random <- if (is.null(plan$apart)) terms else terms[-length(terms)]
  found <- fixed_of_sums(sums, terms, control$checks$rankx)
  fixed <- found$fixed
  numbers <- found$numbers
  numbers$n <- sums$n
  for (name in c("template", "arguments")) {
    numbers[[name]] <- plan[[name]] %||% numbers[[name]]
  }
  design <- list(
    formula = plan$formula,
    frame = NULL,
    fixed = fixed,
    random = random,
    control = drop_lost_held(control, fixed, random)
  )
  design["held"] <- list(NULL)
  sigma <- known_sigma(sigma, design$control)
  design$spec <- sums_spec(numbers, random, REML, sigma)
  if (!is.null(fixed$large)) {
    design$sums <- numbers
    design$spec <- spec_of_sums_with_levels(design$spec, fixed$large)
  }
  check_sums(sums$n, random, fixed, design$control$checks, sigma)
  design
}

#' The fixed part without aliased columns, and the sums of the remaining columns
#' @param terms The random-effects terms, followed by that of a large factor.
#' @return `fixed` and `numbers`.
#' @noRd
fixed_of_sums <- function(sums, terms, policy) {
  plan <- sums$plan
  names <- plan$fixed$names
  keep <- independent_sums(sums$sums, names, policy)
  known <- c(plan$fixed$independent, plan$fixed$far)
  check_digits_of_sums(unique(setdiff(known, names[keep])))
  numbers <- sums_of_fixed(sums$sums, keep, names)
  found <- list(
    fixed = without_dropped_columns(plan$fixed, keep),
    numbers = sums_of_random(numbers, plan$random, terms)
  )
  if (!is.null(plan$apart)) {
    levels <- sums$levels[[unquoted(plan$apart$group)]]
    apart <- terms[[length(terms)]]$columns
    found <- sums_beside_large(found, plan, apart, levels, policy)
  }
  if (length(found$fixed$dropped) > 0L) {
    all <- sums_of_random(sums$sums, plan$random, terms)
    if (!is.null(plan$apart)) {
      all <- given_columns(in_block_order(all, found$fixed$large, apart))
    }
    found$fixed$combinations <- combinations_of_sums(all, names, found$fixed)
  }
  found
}

# Raises an error about columns that sums take for combinations of others, though rows don't.
check_digits_of_sums <- function(lost) {
  if (length(lost) == 0L) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "A covariate of the fixed effects is too far from zero for sums.",
      x = sprintf(
        "In their products, %s %s from combinations of the columns before.",
        enumerate(tick(lost)),
        if (length(lost) == 1L) "hardly differs" else "hardly differ"
      ),
      i = "Centre the covariate: take its mean, or a round number near it, off."
    ),
    "rlmm_error_origin",
    columns = lost
  )
}

check_no_held_beta <- function(control) {
  if (length(control$fixed$beta) > 0L) {
    abort_no_rows(
      "Holding coefficients by `fixed`",
      "Give `rlmm_sums()` their part of the response as `offset`."
    )
  }
}

without_dropped_columns <- function(fixed, keep) {
  dropped <- setdiff(seq_along(fixed$names), keep)
  fixed$dropped <- fixed$names[dropped]
  fixed$names <- fixed$names[keep]
  fixed$assign <- fixed$assign[keep]
  fixed
}

check_sums <- function(n, random, fixed, checks, sigma) {
  check_counts(n, length(fixed$names) + n_levels_fixed(fixed), sigma)
  for (term in random) {
    check_term(
      term,
      n,
      checks,
      known_sigma = !is.null(sigma)
    )
  }
}

#' The combinations of [column_combinations()], from sums
#' @param numbers Sums with all columns of X, which have the given names.
#' @param fixed The fixed part with the kept columns.
#' @noRd
combinations_of_sums <- function(numbers, names, fixed) {
  products <- Matrix::Matrix(numbers$xx, sparse = TRUE)
  is_kept <- names %in% fixed$names
  origins <- numbers$shift
  if (!is.null(fixed$large)) {
    levels <- products_of_levels(numbers)
    products <- rbind(
      cbind(products, levels$with_x),
      cbind(t(levels$with_x), levels$own)
    )
    is_kept <- c(is_kept, fixed$large$is_column)
    slopes <- numeric(length(fixed$large$factors))
    origins <- list(ordinary = origins, slopes = slopes)
  }
  list(
    names = names,
    origins = origins,
    is_kept = is_kept,
    weights = weights_of_products(products, is_kept)
  )
}

# A large factor ----------------------------------------------------------------

#' The terms of a fit of sums in their order, followed by that of a large factor
#' @param group The name of the factor; `NULL` if there is none.
#' @noRd
ordered_terms <- function(random, group) {
  is_apart <- vapply(random, `[[`, "", "group") %in% unquoted(group)
  others <- random[!is_apart]
  place_terms(c(others[term_order(n_levels_of(others))], random[is_apart]))
}

#' The fixed part and the sums of a design with a large factor, which is the last term
#' @param found A list of `fixed` and `numbers`.
#' @param columns,levels The columns that were summed by the levels of the factor, and these levels.
#' @return A list of `fixed` and `numbers` without columns that the levels alias.
#' @noRd
sums_beside_large <- function(found, plan, columns, levels, policy) {
  frame <- with_known_levels(plan$template, found$fixed$xlevels)
  terms <- whole_terms(plan, frame)
  set <- c(
    plan$apart,
    list(
      xlevels = rlang::set_names(list(levels), plan$apart$group),
      coding = core_coding,
      codes = list()
    )
  )
  large <- large_factors(list(set), terms, frame)
  numbers <- in_block_order(found$numbers, large, columns)
  fixed <- with_places(found$fixed, terms, large, frame)
  beside <- aliased_in_sums(numbers, fixed)
  report_aliased(fixed, beside, policy)
  numbers <- sums_of_kept(numbers, beside$keep, fixed$names)
  near <- numbers
  numbers <- given_columns(numbers)
  check_origin_of_sums(near, numbers, fixed$large$factors)
  fixed <- fixed_without_aliased(fixed, beside)
  fixed$columns <- plan$fixed$names
  fixed$large <- kept_large(fixed$large)
  list(fixed = fixed, numbers = numbers)
}

# Sums of some columns. The part of the response that the dropped columns explained is added back,
# for the levels to explain.
sums_of_kept <- function(numbers, keep, names) {
  is_left <- !seq_along(names) %in% keep
  beta0 <- replace(numbers$beta0, is_left, 0)
  numbers <- recentre(numbers, numbers$shift, beta0)
  sums_of_fixed(numbers, keep, names)
}

# The terms of the fixed part including the large factor.
whole_terms <- function(plan, frame) {
  parsed <- parse_formula(plan$formula, frame)
  env <- formula_env(plan$formula)
  formula <- rlang::new_formula(parsed$response, parsed$fixed, env = env)
  part_terms(formula, frame, frame)
}

#' Sums with the columns of the last term in the order of the large factor and its slopes
#' @param columns The names of these columns in the order in which they were summed.
#' @noRd
in_block_order <- function(numbers, large, columns) {
  at <- match(each_large(large, "margin"), columns)
  permute_sums(numbers, length(numbers$terms), at)
}

#' Sums of the columns of the last term as they are given, with their origins added back, as a level
#' may have a slope without an intercept
#' @noRd
given_columns <- function(numbers) {
  if (is.null(numbers$summed)) {
    return(numbers)
  }
  last <- length(numbers$terms)
  k <- dim(numbers$terms[[last]]$zz)[1L]
  sums_of_columns(numbers, replace(numbers$summed, last, list(diag(k))))
}

#' As [check_origin_of_slopes()], from sums of columns near zero and as they are given
#' @noRd
check_origin_of_sums <- function(near, given, factors) {
  of_last <- \(numbers) numbers$terms[[length(numbers$terms)]]$zz
  near <- of_last(near)
  given <- of_last(given)
  are_slopes <- vapply(factors, is_slope, NA)
  for (i in which(are_slopes)) {
    spread <- near[i, i, ]
    for (one in which(!are_slopes)) {
      spread <- spread - near[one, i, ]^2 / near[one, one, ]
    }
    size <- sum(given[i, i, ])
    is_constant <- sum(spread) < min_residual_share * sum(near[i, i, ])
    if (!is_constant && sum(spread) < min_spread_of_slopes^2 * size) {
      abort_far_slopes(factors[[i]])
    }
  }
}

#' The result of [aliased_with_large()], from sums
#' @noRd
aliased_in_sums <- function(numbers, fixed) {
  factors <- fixed$large$factors
  sums <- numbers$terms[[length(numbers$terms)]]
  squares <- sums$zz
  within <- numbers$xx
  whole <- diag(within)
  # The indicators of all levels that occur add up to the intercept.
  left <- which(!has_indicator(factors) | fixed$names != "(Intercept)")
  found <- list(
    keep = seq_along(whole),
    is_column = fixed$large$is_column,
    has_moved = FALSE
  )
  for (i in seq_along(factors)) {
    own <- factors[[i]]
    sums <- without_effect(sums, i, squares[i, i, ])
    within <- within - sums$explained
    residual <- within[left, left, drop = FALSE]
    is_kept <- seq_along(left) %in% independent_products(residual, whole[left])
    is_after <- fixed$assign[left] > own$position
    moves <- level_combinations(
      sums$effects[, left, drop = FALSE],
      residual,
      which(!is_kept & !is_after),
      which(is_kept)
    )
    found$keep <- setdiff(found$keep, left[!is_kept & is_after])
    found$is_column[own$at] <- levels_kept_in_sums(own, sums$varies, moves)
    # The covariate of slopes is a combination of all of them, for which the base has no slope.
    expected <- is_slope(own) && own$has_base
    found$has_moved <- found$has_moved || ncol(moves) > expected
    left <- left[is_kept]
  }
  found
}

# Sums of a term after the elimination of its column `i` within each level: the cross-products of
# the residuals of its other columns. Also `effects`, the coefficients of this column in the columns
# of X by level, `explained`, its part of X'X, and `varies`, the levels in which it is independent
# of the columns before it. `square` is the sum of squares of the column in each level.
without_effect <- function(sums, i, square) {
  left <- sums$zz[i, i, ]
  varies <- left > min_residual_share * square
  scale <- ifelse(varies, 1 / left, 0)
  with_x <- sums$xz[, i, ]
  dim(with_x) <- dim(sums$xz)[-2L]
  effects <- t(with_x) * scale
  k <- dim(sums$zz)[1L]
  for (j in seq_len(k)[-seq_len(i)]) {
    share <- sums$zz[i, j, ] * scale
    for (l in seq_len(k)) {
      sums$zz[j, l, ] <- sums$zz[j, l, ] - share * sums$zz[i, l, ]
    }
    sums$xz[, j, ] <- sums$xz[, j, ] - with_x * rep(share, each = nrow(with_x))
  }
  sums[c("effects", "explained", "varies")] <- list(
    effects,
    with_x %*% effects,
    varies
  )
  sums
}

# Which levels of a factor, or of slopes by level, keep a column.
levels_kept_in_sums <- function(own, varies, moves) {
  base <- seq_along(varies) == 1L & own$has_base
  if (is_slope(own)) {
    slopes_kept(varies & !base, moves, own$has_base)
  } else {
    levels_kept(varies & !base, moves, ifelse(varies, 1L, NA), own$has_base)
  }
}

# The coefficients of the levels in the combinations of levels and `others` that equal `columns`.
level_combinations <- function(effects, within, columns, others) {
  moves <- effects[, columns, drop = FALSE]
  if (length(others) == 0L || length(columns) == 0L) {
    return(moves)
  }
  products <- within[others, columns, drop = FALSE]
  own <- within[others, others, drop = FALSE]
  slopes <- apply(products, 2L, solve_scaled, xx = own)
  moves - effects[, others, drop = FALSE] %*% slopes
}

# The cross-products of the columns of the last term, level by level for one effect after the other,
# with the columns of X and with each other.
products_of_levels <- function(numbers) {
  sums <- numbers$terms[[length(numbers$terms)]]
  effects <- seq_len(dim(sums$zz)[1L])
  p <- dim(sums$xz)[1L]
  with_x <- lapply(effects, \(i) matrix(sums$xz[, i, ], p))
  rows <- lapply(effects, \(i) {
    own <- lapply(effects, \(j) Matrix::Diagonal(x = sums$zz[i, j, ]))
    do.call(cbind, own)
  })
  list(with_x = do.call(cbind, with_x), own = do.call(rbind, rows))
}

# The coefficients of the kept columns in each dropped column, from cross-products.
weights_of_products <- function(products, is_kept) {
  size <- sqrt(Matrix::diag(products))
  size[size == 0] <- 1
  unit <- Matrix::Diagonal(x = 1 / size)
  scaled <- unit %*% products %*% unit
  kept <- Matrix::forceSymmetric(scaled[is_kept, is_kept, drop = FALSE])
  weights <- Matrix::solve(
    Matrix::Cholesky(kept),
    scaled[is_kept, !is_kept, drop = FALSE]
  )
  # Tiny coefficients are rounding errors of columns that are in no combination.
  weights <- Matrix::drop0(weights, tol = 1e-9)
  unit[is_kept, is_kept] %*% weights %*% Matrix::Diagonal(x = size[!is_kept])
}

# The columns that are independent of those before them, by Gaussian elimination in the
# cross-products of residuals within levels.
independent_products <- function(within, whole) {
  kept <- integer()
  for (j in seq_along(whole)) {
    if (within[j, j] > min_residual_share * whole[j]) {
      kept <- c(kept, j)
      within <- within - tcrossprod(within[, j]) / within[j, j]
    }
  }
  kept
}
