# Estimates and tests of the levels of large factors, which are no columns of X.

#' Coefficients of fixed factors with many levels
#'
#' A factor of the fixed part with so many levels that they are not columns of X (see [rlmm()]) has
#' no rows in the tables of [summary()][summary.rlmm] and `vcov()`. `fixef()` includes its
#' coefficients; `fixed_levels()` returns them with their standard errors, with a row for each
#' level.
#'
#' The standard errors are those that `vcov()` would have: of the differences from the base level,
#' or, for sum and other contrasts, of the differences from the mean of the levels, which the
#' intercept estimates. (In the latter case all levels are listed, while `fixef()` has the
#' coefficients of the contrasts.) They are conditional on theta and take one solve for each of the
#' other coefficients and the diagonal of the inverse of the system; with the iterative engine they
#' take one solve for each level, and have at least four correct digits. In a generalized model they
#' account for the estimation of theta, as `vcov()` does: given all other parameters, the levels
#' have the variances of the working linear model.
#'
#' @param object A fit of [rlmm()] or [rglmm()] with one or two such factors.
#' @return A data frame with the columns `level`, `estimate`, `std.error` and `statistic`, the ratio
#'   of the two. The base level has the estimate zero; a level that is aliased with columns before
#'   it has `NA`. With two such factors, or slopes by level, the first column is `factor`.
#' @seealso `fixef()`, and [anova()][anova.rlmm] for a test of the factor as a whole.
#' @examples
#' # By default a factor with 24 levels has columns of X, which summary() shows
#' old <- options(rlmm.large_factor = 20)
#' fit <- rlmm(diameter ~ plate + (1 | sample), Penicillin)
#' fit
#' head(fixed_levels(fit))
#' anova(fit)
#' options(old)
#' @export
fixed_levels <- function(object) {
  check_fit(object, "object")
  large <- object$fixed$large
  if (is.null(large)) {
    abort_no_levels()
  }
  std_error <- level_errors(object)
  table <- data.frame(
    level = large$levels,
    estimate = object$levels,
    std.error = std_error,
    statistic = object$levels / std_error
  )
  sizes <- lengths(lapply(large$factors, `[[`, "levels"))
  if (length(sizes) == 1L) {
    return(table)
  }
  owner <- rep(each_large(large, "variable"), sizes)
  data.frame(factor = owner, table)
}

abort_no_levels <- function() {
  abort_rlmm(
    c(
      "The fit has no fixed factor with so many levels that they stand apart.",
      i = "`summary()` and `fixef()` have all coefficients."
    ),
    "rlmm_error_not_available"
  )
}

level_errors <- function(fit) {
  spec <- linear_spec(fit)
  spread <- conditional_level_covariances(fit, spec)
  moves <- level_changes(fit, spread$shift)
  variances <- moves$unit * spread$variance + rowSums(moves$levels^2)
  large <- fit$fixed$large
  variances[!large$is_column] <- NA
  coded <- coded_factors(large)
  system <- if (length(coded) > 0L) normal_equations(spec)
  for (own in coded) {
    variances[own$at] <- coded_level_variances(
      fit,
      own,
      spread,
      moves,
      system
    )
  }
  sqrt(variances)
}

#' The variances of the deviations of each level of a coded factor from its mean
#' @param spread The result of [conditional_level_covariances()].
#' @param moves The result of [level_changes()].
#' @param system The result of [normal_equations()].
#' @noRd
coded_level_variances <- function(fit, own, spread, moves, system) {
  large <- fit$fixed$large
  weights <- own$coding$weights
  at <- own$at
  z <- weights_of_factor(own, large, coded_weights(large), length(system$terms))
  solved <- solve_normal_equations(
    system,
    fit$theta,
    numeric(n_free_beta(fit)),
    z
  )
  shift <- spread$shift[at, , drop = FALSE]
  # The solution includes the change of the levels with the coefficients, which is subtracted.
  moved <- drop(shift %*% solved$beta)
  within <- solved_levels(solved$b, large)[at] - moved
  variance <- spread$variance[at] - 2 * within + sum(weights * within)
  moved <- moves$levels[at, , drop = FALSE]
  moved <- sweep(moved, 2L, colSums(weights * moved))
  found <- moves$unit * variance + rowSums(moved^2)
  replace(found, weights == 1, NA)
}

#' F tests of the terms of a fit with large factors: of the other terms, adjusted for the factors,
#' and of the factors
#' @noRd
large_tests <- function(fit, type, tests) {
  check_large_type(fit, type, tests$ddf)
  tested <- tested_type(fit, type)
  table <- as.data.frame(term_tests(without_large(fit), tested, tests))
  untested <- untested_terms(fit, tested)
  all_own <- tested_labels(fit)
  labels_of_levels <- setdiff(all_own, untested)
  own <- rlang::set_names(labels_of_levels)
  own <- lapply(own, test_of_levels, fit = fit)
  covariates <- covariates_with_slopes(fit)
  table <- table[
    setdiff(rownames(table), c(covariates, untested)),
    ,
    drop = FALSE
  ]
  of_covariates <- covariate_tests(fit, untested, tested, tests)
  table <- rbind(table, do.call(rbind, c(own, of_covariates)))
  labels <- fixed_labels(fit)
  table <- table[intersect(labels, rownames(table)), , drop = FALSE]
  heading <- c(
    large_heading(fit, tested, tests, labels_of_levels),
    type_note(fit, type, tested, all_own),
    note_of_untested(untested, "slopes by level that contain it"),
    note_of_untested(
      names(Filter(is.null, of_covariates)),
      "levels and slopes of which it is a combination"
    )
  )
  as_anova(table, heading)
}

# The large factors, and terms of slopes, with at least one coefficient.
tested_labels <- function(fit) {
  large <- fit$fixed$large
  has_left <- \(own) any(large$is_column[own$at])
  unique(vapply(Filter(has_left, large$factors), `[[`, "", "label"))
}

#' The labels of terms that slopes by level contain, whose hypotheses involve the slopes
#'
#' A covariate that is only in its own slopes has a test, see [test_of_covariate()], which for type
#' II needs rows.
#' @param type The type of the hypotheses.
#' @noRd
untested_terms <- function(fit, type) {
  labels <- fixed_labels(fit)
  slopes <- Filter(is_slope, fit$fixed$large$factors)
  contained <- lapply(slopes, \(own) {
    is_inside <- vapply(
      seq_along(labels),
      \(i) contains_term(fit, own$position, i),
      NA
    )
    is_own <- !are_of_categories(own) & unquoted(labels) %in% own$covariate
    labels[is_inside & !is_own]
  })
  takes_rows <- type == "II" && !is.null(fit$sums)
  unique(c(unlist(contained), if (takes_rows) covariates_with_slopes(fit)))
}

# The part of the heading about terms without a test.
note_of_untested <- function(labels, beside) {
  if (length(labels) > 0L) {
    terms <- enumerate(tick(plain_name(labels)))
    sprintf("(%s: no test beside %s)", terms, beside)
  }
}

# The type of the test of a large factor: adjusted for all other effects, it is a type II
# hypothesis, which may differ from type III. For the other terms both are the same unless there are
# interactions.
tested_type <- function(fit, type) {
  is_same <- is.null(not_type_three(fit)) || has_interactions(fit)
  if (type == "III" && !is_same) "II" else type
}

type_note <- function(fit, type, tested, labels) {
  why <- not_type_three(fit)
  if (type != "III" || is.null(why)) {
    return(NULL)
  }
  if (tested == "II") {
    return(paste0("(Type III isn't available for large factors ", why, ")"))
  }
  names <- enumerate(tick(plain_name(labels)))
  paste0("(", names, ": type II, ", why, ")")
}

#' The note that the type II and III hypotheses about large factors differ; `NULL` if they are the
#' same
#' @noRd
not_type_three <- function(fit) {
  if (length(setdiff(fit$fixed$dropped, "(Intercept)")) > 0L) {
    "beside dropped coefficients"
  } else if (fit$fixed$large$drops_intercept && has_other_category(fit)) {
    "beside others, without an intercept"
  }
}

# Whether the formula has a factor other than the first large one.
has_other_category <- function(fit) {
  classes <- attr(fit$fixed$ordinary, "dataClasses")[-1L]
  n_blocks(fit$fixed$large) > 1L || any(is_category_class(classes))
}

# Whether some of the terms other than large factors are interactions.
has_interactions <- function(fit) {
  any(attr(fit$fixed$ordinary, "order") > 1L)
}

#' The heading of the table of tests
#' @param labels The labels of the large factors and slopes that are tested.
#' @noRd
large_heading <- function(fit, type, tests, labels) {
  UseMethod("large_heading")
}

#' @export
large_heading.rlmm_lmm <- function(fit, type, tests, labels) {
  name <- enumerate(tick(plain_name(labels)))
  method <- ddf_label(tests$ddf)
  c(
    paste0("Type ", type, " analysis of variance with ", method),
    sprintf("(%s: as many as all other effects leave of the rows)", name)
  )
}

#' @export
large_heading.rlmm_glmm <- function(fit, type, tests, labels) {
  paste0("Type ", type, " analysis of deviance with Wald chi-squared tests")
}

#' The row of a large factor, or of its slopes, in a table of tests
#' @param label The label of its term.
#' @noRd
test_of_levels <- function(fit, label) UseMethod("test_of_levels")

#' @export
test_of_levels.rlmm_lmm <- function(fit, label) {
  own <- level_test(fit, label)
  f_table(own$f, own$num_df, own$den_df, fit$sigma)
}

#' The Wald test in the working model: the levels' contribution to the working response is regressed
#' on the other effects
#' @noRd
#' @export
test_of_levels.rlmm_glmm <- function(fit, label) {
  large <- fit$fixed$large
  of_term <- factors_of_label(large, label)
  spec <- linear_spec(fit)
  term <- spec$terms[[fixed_term_numbers(spec)[of_term[[1L]]$block]]]
  parts <- lapply(of_term, \(own) {
    levels <- fit$levels[own$at]
    levels[is.na(levels)] <- 0
    levels[term$refs] * term$z[[own$column]]
  })
  spec$y <- Reduce(`+`, parts)
  spec["offset"] <- list(NULL)
  spec <- spec_without_factors(spec, of_term)
  left <- core_estimates(spec, fit$theta)$pwrss
  unit <- effects_sigma(fit)^2 * likelihood_share(fit)
  chisq_table(left / unit, count_coefficients(large, of_term))
}

# A spec without the columns of some entries of one block
spec_without_factors <- function(spec, factors) {
  at <- fixed_term_numbers(spec)[factors[[1L]]$block]
  columns <- vapply(factors, `[[`, 1L, "column")
  term <- spec$terms[[at]]
  if (term$part_size == length(columns)) {
    return(spec_without_terms(spec, at))
  }
  term$z <- term$z[-columns]
  term$columns <- term$columns[-columns]
  if (!is.null(spec$sums)) {
    kept <- seq_len(term$part_size)[-columns]
    spec$sums <- permute_sums(spec$sums, at, kept)
  }
  term$part_size <- term$part_size - length(columns)
  spec$terms[[at]] <- term
  spec
}

# The number of coefficients of some factors.
count_coefficients <- function(large, factors) {
  count <- \(own) sum(large$is_column[own$at])
  sum(vapply(factors, count, 1L))
}

# The sum of squares of the levels of a large factor, adjusted for all other effects, at fixed
# theta.
level_test <- function(fit, label) {
  of_term <- factors_of_label(fit$fixed$large, label)
  spec <- fit_spec(fit)
  with <- core_estimates(spec, fit$theta)$pwrss
  spec <- spec_without_factors(spec, of_term)
  without <- core_estimates(spec, fit$theta)$pwrss
  num_df <- count_coefficients(fit$fixed$large, of_term)
  list(
    f = (without - with) / (num_df * fit$sigma^2),
    num_df = num_df,
    den_df = remaining_df(fit)
  )
}

# The residual degrees of freedom, or `NA` if there are none.
remaining_df <- function(fit) {
  effects <- sum(n_columns(fit) * n_levels(fit))
  left <- nobs.rlmm(fit) - n_coefficients(fit) - effects
  if (left > 0) left else NA_real_
}

check_large_type <- function(fit, type, ddf) {
  if (ddf == "none" || type == "I") {
    abort_if_large(fit, "A sequential table")
  }
  if (type == "II" && has_interactions(fit)) {
    abort_if_large(fit, "Type II beside interactions")
  }
  if (has_interactions(fit) && has_lost_columns(fit)) {
    lost <- enumerate(tick(setdiff(fit$fixed$dropped, "(Intercept)")))
    what <- paste("A table of tests beside interactions and dropped", lost)
    abort_if_large(fit, what)
  }
}

# Whether columns are aliased with levels or with each other. Levels that are aliased with those of
# another factor, because of several connected components, don't affect other columns.
has_lost_columns <- function(fit) {
  large <- fit$fixed$large
  dropped <- setdiff(fit$fixed$dropped, c(large$names, "(Intercept)"))
  length(dropped) > 0L || isTRUE(large$has_moved)
}
