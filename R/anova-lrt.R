# Likelihood-ratio tests of the fixed terms of one fit: the models with and without each hypothesis
# are refitted by maximum likelihood.

#' The table of likelihood-ratio tests of the terms
#' @param type "I", "II" or "III": see `term_contrasts()`.
#' @noRd
term_lrt <- function(fit, type) {
  term <- column_terms_of(fit)[free_beta(fit)]
  tested <- tested_terms(term)
  labels <- fixed_labels(fit)[tested]
  contrasts <- if (type == "III") term_contrasts(fit, type)
  rows <- Map(
    \(i, label) {
      spaces <- compared_spaces(fit, term, i, type, contrasts[[label]])
      lrt_row(fit, spaces$larger, spaces$smaller)
    },
    tested,
    labels
  )
  method <- " analysis of deviance with likelihood-ratio tests"
  names(rows) <- labels
  empty <- chisq_table(numeric(), integer())
  anova_table(rows, empty, paste0("Type ", type, method))
}

#' The columns of X in the larger and the smaller model of the test of a term
#' @noRd
compared_spaces <- function(fit, term, tested, type, L) {
  x <- free_matrix(fit)
  if (type == "III") {
    L <- L[, free_beta(fit), drop = FALSE]
    return(list(
      larger = x,
      smaller = x %*% orthogonal_to(L)
    ))
  }
  kept <- if (type == "I") {
    term <= tested
  } else {
    !term %in% containing_terms(fit, term, tested)
  }
  list(
    larger = x[, kept, drop = FALSE],
    smaller = x[, kept & term != tested, drop = FALSE]
  )
}

lrt_row <- function(fit, larger, smaller) {
  chisq <- ml_objective(fit, smaller) - ml_objective(fit, larger)
  chisq_table(max(0, chisq), ncol(larger) - ncol(smaller))
}

#' The deviance (-2 log-likelihood) of the model with other columns of X
#' @noRd
ml_objective <- function(fit, x) UseMethod("ml_objective")

#' @export
ml_objective.rlmm_lmm <- function(fit, x) {
  fit$reml <- FALSE
  design <- fit_design(fit)
  control <- refit_control(fit, design)
  design$spec$x <- list(x)
  design <- with_strata(design, inner_start(fit), control)
  core_fit(design$spec, design$theta, control)$objective
}

#' @export
ml_objective.rlmm_glmm <- function(fit, x) {
  design <- fit_design(fit)
  control <- refit_control(fit, design)
  spec <- spec_to_search(fit, design$spec)
  spec$x <- list(x)
  start <- if (!is.null(inner_start(fit))) {
    list(theta = fit$theta)
  } else {
    list()
  }
  core_glmm_fit(spec, start, control)$objective
}
