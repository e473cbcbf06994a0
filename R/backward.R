#' Backward elimination
#'
#' Removes random effects, and then fixed effects, one at a time, the one with the largest p-value
#' first, until all p-values are below a limit, like lmerTest's `step()`. (R's own `step()`, which
#' uses the AIC, also accepts fits of this package.)
#'
#' Random effects are tested as by [ranova()] with the naive p-values of lmerTest. Terms are reduced
#' one effect at a time, and the last random-effects term is kept. Fixed effects are tested as by
#' `drop1(test = "F")`, in generalized models by likelihood-ratio tests, and are kept as long as an
#' interaction contains them. Each model is fitted to the rows of the first one.
#'
#' P-values after model selection are not valid: the remaining estimates are biased away from zero
#' and their intervals are too narrow.
#'
#' @param object A fitted model.
#' @param ddf The method for the denominator degrees of freedom of F tests, see
#'   [summary()][summary.rlmm].
#' @param alpha.random,alpha.fixed The largest p-values of effects that are kept.
#' @param reduce.random,reduce.fixed Whether to remove random or fixed effects.
#' @param keep The labels of fixed-effects terms that are always kept.
#' @param ... Not used.
#' @return A list of class `"rlmm_backward"`: `random` and `fixed`, tables with a column
#'   `Eliminated` (the step at which an effect was removed; 0 if it was kept), and `model`, the last
#'   fit, which lmerTest's `get_model()` also returns.
#' @examples
#' sleepstudy$odd <- sleepstudy$Days %% 2
#' fit <- rlmm(Reaction ~ Days + odd + (Days + odd | Subject), sleepstudy)
#' found <- backward(fit)
#' found
#' formula(found$model)
#' @export
backward <- function(object, ...) {
  check_fit(object, "object")
  UseMethod("backward")
}

#' @rdname backward
#' @export
backward.rlmm <- function(
  object,
  ddf = NULL,
  ...,
  alpha.random = 0.1,
  alpha.fixed = 0.05,
  reduce.fixed = TRUE,
  reduce.random = TRUE,
  keep = NULL
) {
  refuse_dots(...)
  alpha_random <- elimination_limit(alpha.random, reduce.random, "random")
  alpha_fixed <- elimination_limit(alpha.fixed, reduce.fixed, "fixed")
  check_kept(keep, object)
  ddf <- contest_ddf(object, ddf, NULL)
  random <- eliminate_random(object, alpha_random)
  fixed <- eliminate_fixed(random$model, alpha_fixed, keep, ddf)
  found <- list(
    random = random$table,
    fixed = fixed$table,
    model = fixed$model
  )
  structure(found, class = "rlmm_backward")
}

# The p-value above which effects are removed; one keeps all of them.
elimination_limit <- function(alpha, reduce, part) {
  check_level_of_test(alpha, paste0("alpha.", part))
  check_flag(reduce, paste0("reduce.", part))
  if (reduce) alpha else 1
}

check_level_of_test <- function(x, arg) {
  if (is_number(x) && x >= 0 && x <= 1) {
    return(invisible())
  }
  abort_argument(
    sprintf("`%s` must be a number from 0 to 1.", arg),
    x = it_is(x),
    arg = arg
  )
}

check_kept <- function(keep, fit) {
  if (!is.null(keep)) {
    check_fixed_labels(keep, fixed_labels(fit), "keep")
  }
}

# Random effects ------------------------------------------------------------------------

eliminate_random <- function(fit, alpha) {
  eliminated <- NULL
  repeat {
    step <- random_step(fit)
    eliminated <- eliminated %||% step$table[1L, , drop = FALSE]
    remaining <- step$table[-1L, , drop = FALSE]
    weakest <- weakest_effect(reduction_p(remaining, step$fits), alpha)
    if (is.null(weakest)) {
      return(list(
        model = fit,
        table = path_table(eliminated, remaining, TRUE)
      ))
    }
    eliminated <- rbind(eliminated, remaining[weakest, , drop = FALSE])
    fit <- step$fits[[weakest]]
  }
}

# The fits with one random effect less, and their table, with the current fit in the first row.
random_step <- function(fit) {
  reductions <- random_reductions(fit, TRUE)
  fits <- lapply(reductions, \(reduction) reduced_fit(fit, reduction))
  table <- reduction_table(fit, fits, reductions)
  table[["Pr(>mixture)"]] <- NULL
  list(fits = fits, table = table)
}

# The p-values of the reductions; missing for the last term, which is kept.
reduction_p <- function(table, fits) {
  is_last <- vapply(fits, \(smaller) all(held_terms(smaller)), NA)
  ifelse(is_last, NA, table[["Pr(>Chisq)"]])
}

# The position of the largest p-value, if it is above the limit.
weakest_effect <- function(p, alpha) {
  worst <- which.max(p)
  if (length(worst) > 0L && p[worst] > alpha) worst
}

#' The table of the eliminated effects, by steps, followed by those that are kept
#' @param eliminated The rows of eliminated effects; for random effects, after the row of the first
#'   model.
#' @noRd
path_table <- function(eliminated, remaining, is_random, note = NULL) {
  first <- if (is_random) NA
  n_eliminated <- NROW(eliminated) - length(first)
  part <- if (is_random) "random" else "fixed"
  table <- rbind(eliminated, remaining)
  table <- data.frame(
    Eliminated = c(first, seq_len(n_eliminated), rep(0L, nrow(remaining))),
    table,
    row.names = row.names(table),
    check.names = FALSE
  )
  title <- paste0("Backward reduced ", part, "-effect table")
  as_anova(table, c(title, note, ""))
}

# Fixed effects -------------------------------------------------------------------------

eliminate_fixed <- function(fit, alpha, keep, ddf) {
  eliminated <- NULL
  repeat {
    labels <- stats::drop.scope(fit$fixed$terms)
    table <- as.data.frame(fixed_deletions(fit, labels, ddf))
    p <- table[[length(table)]]
    p[row.names(table) %in% keep] <- NA
    weakest <- weakest_effect(p, alpha)
    if (is.null(weakest)) {
      return(list(
        model = fit,
        table = path_table(eliminated, table, FALSE, method_note(fit, ddf))
      ))
    }
    eliminated <- rbind(eliminated, table[weakest, , drop = FALSE])
    fit <- without_fixed(fit, row.names(table)[weakest])
  }
}

method_note <- function(fit, ddf) {
  if (isLMM.rlmm(fit)) paste("F tests with", ddf_label(ddf))
}

without_fixed <- function(fit, label) {
  suppressMessages(
    compared_fits(fit, label, "-", FALSE)[[1L]],
    classes = "rlmm_message"
  )
}

#' Tests of the terms, with the p-value in the last column
#' @noRd
fixed_deletions <- function(fit, labels, ddf) UseMethod("fixed_deletions")

#' @export
fixed_deletions.rlmm_lmm <- function(fit, labels, ddf) {
  deletion_tests(fit, labels, ddf)
}

#' @export
fixed_deletions.rlmm_glmm <- function(fit, labels, ddf) {
  labels <- rlang::set_names(labels)
  fits <- lapply(labels, \(label) without_fixed(fit, label))
  table <- as.data.frame(comparison_table(fit, fits, 2, TRUE))
  table[-1L, , drop = FALSE]
}

#' @rawNamespace S3method(lmerTest::get_model, rlmm_backward)
get_model.rlmm_backward <- function(x, ...) {
  refuse_dots(...)
  x$model
}

# Print ---------------------------------------------------------------------------------

#' @export
print.rlmm_backward <- function(x, ...) {
  print(x$random, ...)
  cat("\n")
  print(x$fixed, ...)
  formula <- deparse1(stats::formula(x$model))
  cat("\nModel found:\n", formula, "\n", sep = "")
  invisible(x)
}
