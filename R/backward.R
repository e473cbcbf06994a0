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
#'   fit.
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
  alpha.random = 0.1,
  alpha.fixed = 0.05,
  reduce.fixed = TRUE,
  reduce.random = TRUE,
  keep = NULL,
  ...
) {
  refuse_dots(...)
  check_level_of_test(alpha.random, "alpha.random")
  check_level_of_test(alpha.fixed, "alpha.fixed")
  check_flag(reduce.fixed, "reduce.fixed")
  check_flag(reduce.random, "reduce.random")
  check_kept(keep, object)
  ddf <- contest_ddf(object, ddf, NULL)
  alpha <- c(
    if (reduce.random) alpha.random else 1,
    if (reduce.fixed) alpha.fixed else 1
  )
  random <- eliminate_random(object, alpha[1L])
  fixed <- eliminate_fixed(random$model, alpha[2L], keep, ddf)
  structure(
    list(random = random$table, fixed = fixed$table, model = fixed$model),
    class = "rlmm_backward"
  )
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
  known <- attr(fit$fixed$terms, "term.labels")
  unknown <- setdiff(keep, known)
  if ((is.null(keep) || is.character(keep)) && length(unknown) == 0L) {
    return(invisible())
  }
  abort_argument(
    "`keep` must name fixed effects of the model.",
    x = if (is.character(keep)) {
      paste0("It names ", enumerate(tick(unknown)), ".")
    } else {
      it_is(keep)
    },
    i = paste0("They are ", enumerate(tick(known), max = 10L), "."),
    arg = "keep"
  )
}

# Random effects ------------------------------------------------------------------------

eliminate_random <- function(fit, alpha) {
  gone <- NULL
  repeat {
    reductions <- random_reductions(fit, TRUE)
    fits <- lapply(reductions, \(reduction) reduced_fit(fit, reduction))
    table <- reduction_table(fit, fits, reductions)
    table[["Pr(>mixture)"]] <- NULL
    first <- gone$table %||% table[1L, , drop = FALSE]
    p <- table[["Pr(>Chisq)"]][-1L]
    is_last <- vapply(fits, \(smaller) all(held_terms(smaller)), NA)
    p[is_last] <- NA
    worst <- which.max(p)
    if (length(worst) == 0L || p[worst] <= alpha) {
      return(list(
        model = fit,
        table = path_table(first, table[-1L, , drop = FALSE], gone$n, TRUE)
      ))
    }
    row <- table[worst + 1L, , drop = FALSE]
    gone <- list(table = rbind(first, row), n = (gone$n %||% 0L) + 1L)
    fit <- fits[[worst]]
  }
}

#' The table of the path: what was left out, by steps, and what stays
#' @param gone The rows of what was left out; of random effects after that of the first model.
#' @noRd
path_table <- function(gone, left, n, is_random, note = NULL) {
  n <- n %||% 0L
  first <- if (is_random) NA
  part <- if (is_random) "random" else "fixed"
  table <- rbind(gone, left)
  table <- data.frame(
    Eliminated = c(first, seq_len(n), rep(0L, nrow(left))),
    table,
    row.names = row.names(table),
    check.names = FALSE
  )
  structure(
    table,
    heading = c(paste0("Backward reduced ", part, "-effect table"), note, ""),
    class = c("anova", "data.frame")
  )
}

# Fixed effects -------------------------------------------------------------------------

eliminate_fixed <- function(fit, alpha, keep, ddf) {
  gone <- NULL
  n <- 0L
  repeat {
    labels <- stats::drop.scope(fit$fixed$terms)
    table <- as.data.frame(fixed_deletions(fit, labels, ddf))
    p <- table[[length(table)]]
    p[row.names(table) %in% keep] <- NA
    worst <- which.max(p)
    if (length(worst) == 0L || p[worst] <= alpha) {
      note <- if (isLMM.rlmm(fit)) paste("F tests with", ddf_label(ddf))
      return(list(
        model = fit,
        table = path_table(gone, table, n, FALSE, note)
      ))
    }
    gone <- rbind(gone, table[worst, , drop = FALSE])
    n <- n + 1L
    fit <- without_fixed(fit, row.names(table)[worst])
  }
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
  fits <- lapply(rlang::set_names(labels), \(label) without_fixed(fit, label))
  table <- as.data.frame(comparison_table(fit, fits, 2, TRUE))
  table[-1L, , drop = FALSE]
}

# Print ---------------------------------------------------------------------------------

#' @export
print.rlmm_backward <- function(x, ...) {
  print(x$random, ...)
  cat("\n")
  print(x$fixed, ...)
  cat("\nModel found:\n", deparse1(stats::formula(x$model)), "\n", sep = "")
  invisible(x)
}
