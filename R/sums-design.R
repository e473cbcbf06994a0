# The design of a model that is fitted to sums.

#' The design of a model from sums, as [model_design()] makes it from data
#' @noRd
sums_design <- function(sums, REML, control, sigma) {
  check_flag(REML, "REML")
  check_sigma(sigma)
  check_no_held_beta(control)
  sums <- levels_in_order(sums)
  plan <- sums$plan
  terms <- ordered_terms(with_levels(plan$random, sums$levels), plan$apart)
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
  numbers <- sums_of_fixed(sums$sums, keep, names)
  found <- list(
    fixed = without_dropped_columns(plan$fixed, keep),
    numbers = sums_of_random(numbers, plan$random, terms)
  )
  if (!is.null(plan$apart)) {
    levels <- sums$levels[[unquoted(plan$apart)]]
    found <- sums_beside_large(found, plan, levels, policy)
  }
  if (length(found$fixed$dropped) > 0L) {
    all <- sums_of_random(sums$sums, plan$random, terms)
    found$fixed$combinations <- combinations_of_sums(all, names, found$fixed)
  }
  found
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
    xz <- by_levels(numbers, "xz")
    counts <- Matrix::Diagonal(x = by_levels(numbers, "zz")[1L, ])
    products <- rbind(cbind(products, xz), cbind(t(xz), counts))
    is_kept <- c(is_kept, fixed$large$is_column)
    origins <- list(ordinary = origins, slopes = 0)
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
#' @noRd
ordered_terms <- function(random, apart) {
  is_apart <- vapply(random, `[[`, "", "group") %in% unquoted(apart)
  others <- random[!is_apart]
  place_terms(c(others[term_order(n_levels_of(others))], random[is_apart]))
}

#' The fixed part and the sums of a design with a large factor, which is the last term
#' @param found A list of `fixed` and `numbers`.
#' @param levels The levels of the factor.
#' @return A list of `fixed` and `numbers` without columns that the levels alias.
#' @noRd
sums_beside_large <- function(found, plan, levels, policy) {
  frame <- with_known_levels(plan$template, found$fixed$xlevels)
  terms <- whole_terms(plan, frame)
  variable <- term_variables(plan$apart, terms)
  xlevels <- rlang::set_names(list(levels), variable)
  set <- list(
    labels = plan$apart,
    xlevels = xlevels,
    coding = core_coding
  )
  large <- large_factors(list(set), terms, frame)
  fixed <- with_places(found$fixed, terms, large, frame)
  beside <- aliased_in_sums(found$numbers, fixed)
  report_aliased(fixed, beside, policy)
  numbers <- sums_of_kept(found$numbers, beside$keep, fixed$names)
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

#' The result of [aliased_with_large()], from sums
#' @noRd
aliased_in_sums <- function(numbers, fixed) {
  own <- fixed$large$factors[[1L]]
  counts <- by_levels(numbers, "zz")
  left <- which(fixed$names != "(Intercept)")
  effects <- t(by_levels(numbers, "xz")) / pmax(counts[1L, ], 1e-300)
  effects <- effects[, left, drop = FALSE]
  whole <- numbers$xx[left, left, drop = FALSE]
  within <- whole - crossprod(effects * counts[1L, ], effects)
  dependent <- !seq_along(left) %in% independent_products(within, diag(whole))
  is_after <- fixed$assign[left] > own$position
  before <- dependent & !is_after
  moves <- level_combinations(effects, within, which(before), which(!dependent))
  occurs <- counts[1L, ] > 0
  list(
    keep = setdiff(seq_along(fixed$names), left[dependent & is_after]),
    is_column = levels_kept(
      fixed$large$is_column & occurs,
      moves,
      ifelse(occurs, 1L, NA),
      own$has_base
    ),
    has_moved = any(before)
  )
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

# A matrix of sums of the last term, with a column for each level.
by_levels <- function(numbers, field) {
  sums <- numbers$terms[[length(numbers$terms)]][[field]]
  n_levels <- dim(sums)[length(dim(sums))]
  matrix(sums, ncol = n_levels)
}

# The coefficients of the kept columns in each dropped column, from cross-products.
weights_of_products <- function(products, is_kept) {
  size <- sqrt(Matrix::diag(products))
  size[size == 0] <- 1
  unit <- Matrix::Diagonal(x = 1 / size)
  scaled <- unit %*% products %*% unit
  kept <- Matrix::forceSymmetric(scaled[is_kept, is_kept])
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
