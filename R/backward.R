#' Backward elimination
#'
#' First the random effects, then the fixed ones are left out one by one, that with the largest
#' p-value first, as long as it is above a limit, as by lmerTest's `step()`. (`step()` of R itself
#' goes by AIC, and takes our fits as they are.)
#'
#' Random effects are tested as by [ranova()], by their naive p-values as in lmerTest, and terms are
#' reduced effect by effect; the last term stays. Fixed effects are tested as by `drop1(test =
#' "F")`, those of a generalized model by likelihood-ratio tests, and stay as long as an interaction
#' contains them. Each model is fitted to the rows of the first one.
#'
#' P-values after a selection aren't what they say: the estimates that are left are too large, and
#' their intervals too narrow.
#'
#' @param object A fit.
#' @param ddf For the F tests: how degrees of freedom are found, see [summary()][summary.rlmm].
#' @param alpha.random,alpha.fixed The limits.
#' @param reduce.random,reduce.fixed Look for random or fixed effects to leave out?
#' @param keep Fixed effects that stay, as a character vector.
#' @param ... Not used.
#' @return A list of class `"rlmm_backward"`: `random` and `fixed`, tables with a column
#'   `Eliminated`, the step at which an effect was left out (0: it stays), and `model`, the last
#'   fit, which lmerTest's `get_model()` returns, too.
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

# The p-value above which effects are left out: none is above one.
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
  gone <- NULL
  repeat {
    step <- random_step(fit)
    gone <- gone %||% step$table[1L, , drop = FALSE]
    left <- step$table[-1L, , drop = FALSE]
    weakest <- weakest_effect(reduction_p(left, step$fits), alpha)
    if (is.null(weakest)) {
      return(list(
        model = fit,
        table = path_table(gone, left, TRUE)
      ))
    }
    gone <- rbind(gone, left[weakest, , drop = FALSE])
    fit <- step$fits[[weakest]]
  }
}

# The fits with one random effect less, and their table, with the fit in the first row.
random_step <- function(fit) {
  reductions <- random_reductions(fit, TRUE)
  fits <- lapply(reductions, \(reduction) reduced_fit(fit, reduction))
  table <- reduction_table(fit, fits, reductions)
  table[["Pr(>mixture)"]] <- NULL
  list(fits = fits, table = table)
}

# The p-values of reductions, missing for the last term, which stays.
reduction_p <- function(table, fits) {
  is_last <- vapply(fits, \(smaller) all(held_terms(smaller)), NA)
  ifelse(is_last, NA, table[["Pr(>Chisq)"]])
}

# The place of the largest p-value, if it is above the limit.
weakest_effect <- function(p, alpha) {
  worst <- which.max(p)
  if (length(worst) > 0L && p[worst] > alpha) worst
}

#' The table of the path: what was left out, by steps, and what stays
#' @param gone The rows of what was left out; of random effects after that of the first model.
#' @noRd
path_table <- function(gone, left, is_random, note = NULL) {
  first <- if (is_random) NA
  n_gone <- NROW(gone) - length(first)
  part <- if (is_random) "random" else "fixed"
  table <- rbind(gone, left)
  table <- data.frame(
    Eliminated = c(first, seq_len(n_gone), rep(0L, nrow(left))),
    table,
    row.names = row.names(table),
    check.names = FALSE
  )
  title <- paste0("Backward reduced ", part, "-effect table")
  as_anova(table, c(title, note, ""))
}

# Fixed effects -------------------------------------------------------------------------

eliminate_fixed <- function(fit, alpha, keep, ddf) {
  gone <- NULL
  repeat {
    labels <- stats::drop.scope(fit$fixed$terms)
    table <- as.data.frame(fixed_deletions(fit, labels, ddf))
    p <- table[[length(table)]]
    p[row.names(table) %in% keep] <- NA
    weakest <- weakest_effect(p, alpha)
    if (is.null(weakest)) {
      return(list(
        model = fit,
        table = path_table(gone, table, FALSE, method_note(fit, ddf))
      ))
    }
    gone <- rbind(gone, table[weakest, , drop = FALSE])
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

#' A test of each of the terms, the p-value in the last column
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
