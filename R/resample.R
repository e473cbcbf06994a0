# The semiparametric bootstrap: residuals are resampled with replacement.

#' Raises an error about a model whose residuals can't be resampled
#' @param holds_effects Whether the random effects are held at their modes.
#' @noRd
check_semiparametric <- function(fit, holds_effects) {
  if (isLMM.rlmm(fit) && holds_effects) {
    return(invisible())
  }
  abort_rlmm(
    c(
      "The semiparametric bootstrap is that of a linear model, given its random effects.",
      i = if (isLMM.rlmm(fit)) {
        "Use `use.u = TRUE`?"
      } else {
        "Use `type = \"parametric\"`?"
      }
    ),
    "rlmm_error_not_available"
  )
}

#' Fitted values with resampled residuals, with a column for each of n replicates
#'
#' Residuals are multiplied by the square roots of their weights before they are resampled; those of
#' rows with weight zero are not.
#' @noRd
resampled_responses <- function(fit, n) {
  response <- fit_response(fit)
  check_replicates_fit(n, bytes_of_draws(length(response$y), 0))
  root <- sqrt(response$weights %||% rep(1, length(response$y)))
  scaled <- (root * (response$y - fit$fitted))[root > 0]
  one <- \(i) {
    drawn <- sample(
      scaled,
      length(root),
      replace = TRUE
    )
    fit$fitted + ifelse(root > 0, drawn / root, drawn)
  }
  drawn <- vapply(seq_len(n), one, double(length(root)))
  y <- matrix(drawn, length(root), n)
  colnames(y) <- paste0("sim_", seq_len(n))
  y
}

#' The responses of some replicates of a bootstrap with a seed
#' @noRd
resampled_replicates <- function(fit, replicates, seed) {
  state <- start_generator(seed)
  on.exit(restore_generator(state$before))
  y <- resampled_responses(fit, max(replicates))
  unname(y[, replicates, drop = FALSE])
}
